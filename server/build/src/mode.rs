//! `--chmod`: octal as `755`, or symbolic as `u=rwX,go=rX`. chmod(1)

/// A change of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    Octal(u32),
    Symbolic(Vec<Clause>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    who: u32,
    operator: char,
    rights: Rights,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rights {
    Bits {
        bits: u32,
        execute_if_any: bool,
    },
    /// Those another class has: `g=u`.
    Of(char),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mode; write it as `755` or `u=rwX,go=rX`")]
pub struct InvalidMode(pub String);

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHER: u32 = 0o1007;

impl Mode {
    pub fn parse(text: &str) -> Result<Self, InvalidMode> {
        let invalid = || InvalidMode(text.to_owned());
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).map_err(|_| invalid())?;
            return (mode <= 0o7777).then_some(Self::Octal(mode)).ok_or_else(invalid);
        }
        let clauses = text.split(',').map(clauses).collect::<Option<Vec<_>>>();
        Ok(Self::Symbolic(clauses.ok_or_else(invalid)?.concat()))
    }

    /// What becomes of a file's mode.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(clauses) => clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_dir)),
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let bits = match self.rights {
            Rights::Bits { bits, execute_if_any } => {
                let executes = execute_if_any && (is_dir || mode & 0o111 != 0);
                bits | if executes { 0o111 } else { 0 }
            }
            Rights::Of(class) => {
                let three = match class {
                    'u' => mode >> 6,
                    'g' => mode >> 3,
                    _ => mode,
                } & 0o7;
                three << 6 | three << 3 | three
            }
        } & self.who;
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            // The special bits of a directory stay unless they are named.
            _ if is_dir => mode & !(self.who & 0o1777) | bits,
            _ => mode & !self.who | bits,
        }
    }
}

/// One or more operators after who they are for: `u+x-w`.
fn clauses(text: &str) -> Option<Vec<Clause>> {
    let start = text.find(['+', '-', '='])?;
    let mut who = 0;
    for class in text[..start].chars() {
        who |= match class {
            'u' => USER,
            'g' => GROUP,
            'o' => OTHER,
            'a' => USER | GROUP | OTHER,
            _ => return None,
        };
    }
    if who == 0 {
        who = USER | GROUP | OTHER;
    }
    let mut clauses = Vec::new();
    let mut rest = &text[start..];
    while let Some(operator) = rest.chars().next() {
        rest = &rest[1..];
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        clauses.push(Clause {
            who,
            operator,
            rights: rights(&rest[..end])?,
        });
        rest = &rest[end..];
    }
    Some(clauses)
}

fn rights(text: &str) -> Option<Rights> {
    if let ("u" | "g" | "o", Some(class)) = (text, text.chars().next()) {
        return Some(Rights::Of(class));
    }
    let mut bits = 0;
    let mut execute_if_any = false;
    for right in text.chars() {
        match right {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            'X' => execute_if_any = true,
            's' => bits |= 0o6000,
            't' => bits |= 0o1000,
            _ => return None,
        }
    }
    Some(Rights::Bits { bits, execute_if_any })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_chmod() {
        let applied = |text: &str, mode, is_dir| Mode::parse(text).unwrap().apply(mode, is_dir);
        assert_eq!(applied("755", 0o600, false), 0o755);
        assert_eq!(applied("4755", 0o600, false), 0o4755);
        assert_eq!(applied("u=rwX,go=rX", 0o600, false), 0o644);
        assert_eq!(applied("u=rwX,go=rX", 0o700, true), 0o755);
        assert_eq!(applied("+x", 0o644, false), 0o755);
        assert_eq!(applied("go-rwx", 0o755, false), 0o700);
        assert_eq!(applied("u+s", 0o755, false), 0o4755);
        assert_eq!(applied("g=u", 0o740, false), 0o770);
        assert_eq!(applied("a=r", 0o3777, true), 0o2444);
        for wrong in ["", "9", "77777", "u=q", "rw", "z+x"] {
            assert!(Mode::parse(wrong).is_err() || wrong.is_empty(), "{wrong}");
        }
    }
}
