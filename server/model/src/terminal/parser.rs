//! Tells text from control functions: the state machine of DEC's terminals (VT500), as
//! xterm.js has it.

use super::charset;
use super::params::Params;
use super::screen::Screen;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    EscapeIntermediate,
    CsiEntry,
    CsiParam,
    CsiIntermediate,
    CsiIgnore,
    /// An operating system command: until BEL or ST.
    Osc,
    /// A start of string, privacy message or application program command.
    OtherString,
    DcsEntry,
    DcsParam,
    DcsIntermediate,
    DcsIgnore,
    DcsPassthrough,
}

#[derive(Debug, Default)]
pub(super) struct Parser {
    state: State,
    params: Params,
    /// The prefix and intermediate characters of the sequence; only the first two count.
    collected: [u8; 2],
    collected_len: usize,
    /// The beginning of an operating system command.
    command: String,
}

/// An address may be longer: then it is still one.
const MAX_COMMAND_BYTES: usize = 1024;

impl Parser {
    pub(super) fn step(&mut self, c: char, screen: &mut Screen) {
        // Those that work in every state.
        match c {
            '\x18' | '\x1a' | '\u{80}'..='\u{8f}' | '\u{91}'..='\u{97}' | '\u{99}' | '\u{9a}' => {
                self.state = State::Ground;
                screen.forget_preceding();
                if c == '\u{88}' {
                    screen.set_tab();
                }
                return;
            }
            '\x1b' | '\u{9c}' => {
                match self.state {
                    State::Osc => self.end_command(screen),
                    State::DcsPassthrough => screen.forget_preceding(),
                    _ => {}
                }
                self.begin(if c == '\x1b' { State::Escape } else { State::Ground });
                return;
            }
            '\u{9b}' => return self.begin(State::CsiEntry),
            '\u{90}' => return self.begin(State::DcsEntry),
            '\u{9d}' => return self.begin_command(),
            '\u{98}' | '\u{9e}' | '\u{9f}' => return self.state = State::OtherString,
            _ => {}
        }
        match self.state {
            State::Ground => match c {
                '\0'..='\x1f' => screen.execute(c),
                '\x7f' => {}
                _ => screen.print(c),
            },
            State::Escape | State::EscapeIntermediate => self.escape(c, screen),
            State::CsiEntry | State::CsiParam | State::CsiIntermediate | State::CsiIgnore => self.csi(c, screen),
            State::Osc => match c {
                '\x07' => {
                    self.end_command(screen);
                    self.state = State::Ground;
                }
                '\0'..='\x1f' => {}
                _ if self.command.len() < MAX_COMMAND_BYTES => self.command.push(c),
                _ => {}
            },
            State::OtherString => {
                if !c.is_ascii() {
                    self.state = State::Ground;
                }
            }
            State::DcsEntry | State::DcsParam | State::DcsIntermediate => self.dcs(c),
            State::DcsIgnore | State::DcsPassthrough => {}
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.params.reset();
        self.collected_len = 0;
        self.collected = [0; 2];
    }

    fn begin_command(&mut self) {
        self.state = State::Osc;
        self.command.clear();
    }

    fn end_command(&mut self, screen: &mut Screen) {
        screen.forget_preceding();
        let link = self.command.strip_prefix("8;").and_then(|link| link.split_once(';'));
        if let Some((id, address)) = link
            && (!address.is_empty() || id.trim().is_empty())
        {
            screen.set_link(!address.is_empty());
        }
    }

    fn collect(&mut self, c: char, next: State) {
        if let (Some(slot), Ok(byte)) = (self.collected.get_mut(self.collected_len), u8::try_from(c)) {
            *slot = byte;
        }
        self.collected_len += 1;
        self.state = next;
    }

    fn escape(&mut self, c: char, screen: &mut Screen) {
        match (self.state, c) {
            (_, '\0'..='\x1f') => screen.execute(c),
            (_, '\x7f') => {}
            (_, ' '..='/') => self.collect(c, State::EscapeIntermediate),
            (State::Escape, '[') => self.begin(State::CsiEntry),
            (State::Escape, ']') => self.begin_command(),
            (State::Escape, 'P') => self.begin(State::DcsEntry),
            (State::Escape, 'X' | '^' | '_') => self.state = State::OtherString,
            (_, '0'..='~') => {
                self.state = State::Ground;
                self.escape_function(c, screen);
                screen.forget_preceding();
            }
            _ => self.state = State::Ground,
        }
    }

    fn escape_function(&self, last: char, screen: &mut Screen) {
        match (self.collected_len, self.collected[0], last) {
            (0, _, '7') => screen.save_cursor(),
            (0, _, '8') => screen.restore_cursor(),
            (0, _, 'H') => screen.set_tab(),
            (0, _, 'c') => screen.reset(),
            (0, _, 'n' | '}') => screen.charsets.shift(2),
            (0, _, 'o' | '|') => screen.charsets.shift(3),
            (0, _, '~') => screen.charsets.shift(1),
            (1, b'%', '@' | 'G') => {
                screen.charsets.shift(0);
                screen.charsets.designate(0, None);
            }
            (1, slot @ (b'(' | b')' | b'*' | b'+' | b'-' | b'.'), set) => {
                let slot = match slot {
                    b'(' => 0,
                    b')' | b'-' => 1,
                    b'*' | b'.' => 2,
                    _ => 3,
                };
                if set == 'B' {
                    screen.charsets.designate(slot, None);
                } else if charset::is_known(set) {
                    screen.charsets.designate(slot, Some(set));
                }
            }
            _ => {}
        }
    }

    fn csi(&mut self, c: char, screen: &mut Screen) {
        match (self.state, c) {
            (_, '\0'..='\x1f') => screen.execute(c),
            (_, '\x7f') => {}
            (State::CsiIgnore, '@'..='~') => self.state = State::Ground,
            (State::CsiIgnore, _) => {}
            (State::CsiEntry | State::CsiParam, '0'..=';') => {
                self.params.push(c);
                self.state = State::CsiParam;
            }
            (State::CsiEntry, '<'..='?') => self.collect(c, State::CsiParam),
            (_, '0'..='?') => self.state = State::CsiIgnore,
            (_, ' '..='/') => self.collect(c, State::CsiIntermediate),
            (_, '@'..='~') => {
                self.state = State::Ground;
                screen.control(&self.collected[..self.collected_len.min(2)], c, &self.params);
                screen.forget_preceding();
            }
            _ => self.state = State::Ground,
        }
    }

    fn dcs(&mut self, c: char) {
        self.state = match (self.state, c) {
            (state, '\0'..='\x1f' | '\x7f') => state,
            (State::DcsEntry | State::DcsParam, '0'..=';') => State::DcsParam,
            (State::DcsEntry, '<'..='?') => State::DcsParam,
            (_, '0'..='?') => State::DcsIgnore,
            (_, ' '..='/') => State::DcsIntermediate,
            (_, '@'..='~') => State::DcsPassthrough,
            _ => State::Ground,
        };
    }
}
