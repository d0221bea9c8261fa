//! How serious a line says it is.
//!
//! A level that a program states as one (`level=info`, `"severity":"warn"`) counts before
//! anything else in the line. Else a word counts where programs write levels: at the
//! beginning, after times and names in brackets, or in capital letters; not in the middle of
//! a sentence or of an address.

/// Levels as they are coloured: notices are information, traces are for debugging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

/// A stated level is looked for in this much of a line.
const MAX_BYTES: usize = 64 << 10;
/// A word is, in this much.
const MAX_HEAD_BYTES: usize = 200;
/// How many words may stand before a level.
const MAX_WORDS: usize = 12;

impl Level {
    pub fn class(self) -> &'static str {
        match self {
            Self::Error => " log-view__row--error",
            Self::Warning => " log-view__row--warning",
            Self::Info => " log-view__row--info",
            Self::Debug => " log-view__row--debug",
        }
    }

    /// Judges a line by its text as shown. Standard error alone is no error.
    pub fn of(text: &str) -> Option<Self> {
        let head = text.trim_start();
        json(cut(head, MAX_BYTES))
            .or_else(|| logfmt(cut(head, MAX_BYTES)))
            .or_else(|| klog(head))
            .or_else(|| syslog(head))
            .or_else(|| words(cut(head, MAX_HEAD_BYTES)))
    }

    /// A word that names a level, in any case.
    fn named(word: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is(&[
            "error",
            "err",
            "eror",
            "fatal",
            "ftl",
            "critical",
            "crit",
            "panic",
            "pnc",
            "dpanic",
            "alert",
            "emerg",
            "emergency",
            "severe",
            "fail",
        ]) {
            Some(Self::Error)
        } else if is(&["warning", "warn", "wrn"]) {
            Some(Self::Warning)
        } else if is(&["info", "inf", "information", "informational", "notice", "note"]) {
            Some(Self::Info)
        } else if is(&[
            "debug", "dbg", "dbug", "trace", "trc", "trce", "verbose", "fine", "finer", "finest",
        ]) {
            Some(Self::Debug)
        } else {
            None
        }
    }

    /// A level that is stated as a value: by name, by a letter, or by number as Bunyan and
    /// Pino count (10 to 60) or syslog does (0 to 7).
    fn stated(value: &str) -> Option<Self> {
        if let Ok(number) = value.parse::<i64>() {
            return match number {
                0..=3 | 50.. => Some(Self::Error),
                4 | 40..=49 => Some(Self::Warning),
                5 | 6 | 30..=39 => Some(Self::Info),
                7 | 10..=29 => Some(Self::Debug),
                _ => None,
            };
        }
        match value {
            "E" | "F" | "C" => Some(Self::Error),
            "W" => Some(Self::Warning),
            "I" | "N" => Some(Self::Info),
            "D" | "T" | "V" => Some(Self::Debug),
            _ => Self::named(value),
        }
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Keys whose value is a level.
fn is_key(key: &str) -> bool {
    [
        "level",
        "lvl",
        "severity",
        "loglevel",
        "log_level",
        "log.level",
        "levelname",
        "level_name",
        "severity_text",
        "severitytext",
        "priority",
        "@l",
        "@level",
    ]
    .iter()
    .any(|name| key.eq_ignore_ascii_case(name))
}

/// The level among the members of the first object in a line, or of its `log`.
fn json(text: &str) -> Option<Level> {
    let begin = text.find('{')?;
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (begin, 0_u32);
    let mut key: Option<&str> = None;
    // Where the members of `log` are, as Elastic's schema has it.
    let mut log_depth = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                depth += 1;
                if depth == 2 && key == Some("log") {
                    log_depth = 2;
                }
                key = None;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth < log_depth {
                    log_depth = 0;
                }
                if depth == 0 {
                    return None;
                }
            }
            b',' => key = None,
            b'"' => {
                let end = string_end(bytes, at + 1)?;
                let word = &text[at + 1..end];
                let wanted = depth == 1 || depth == log_depth;
                match key {
                    Some(key) if wanted && is_key(key) => {
                        if let Some(level) = Level::stated(word) {
                            return Some(level);
                        }
                    }
                    None if bytes[end + 1..].trim_ascii_start().starts_with(b":") => {
                        key = wanted.then_some(word).or(Some(""));
                    }
                    _ => {}
                }
                at = end;
            }
            b'0'..=b'9' => {
                let rest = &text[at..];
                let number = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
                if (depth == 1 || depth == log_depth)
                    && key.is_some_and(is_key)
                    && let Some(level) = Level::stated(number)
                {
                    return Some(level);
                }
                at += number.len() - 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where a string ends that began before `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The level among `key=value` pairs; values may be quoted.
fn logfmt(text: &str) -> Option<Level> {
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let key = rest[..at]
            .rsplit([' ', '\t', ',', '[', '(', '{'])
            .next()
            .unwrap_or_default();
        let value = &rest[at + 1..];
        let (word, after) = match value.strip_prefix('"') {
            Some(quoted) => {
                let end = string_end(quoted.as_bytes(), 0).unwrap_or(quoted.len());
                (&quoted[..end], &quoted[(end + 1).min(quoted.len())..])
            }
            None => {
                let end = value.find([' ', '\t', ',', ']', ')', '}']).unwrap_or(value.len());
                (&value[..end], &value[end..])
            }
        };
        if is_key(key)
            && let Some(level) = Level::stated(word)
        {
            return Some(level);
        }
        rest = after;
    }
    None
}

/// `E0102 15:04:05.678901   1 file.go:7] text`, of Kubernetes and glog.
fn klog(text: &str) -> Option<Level> {
    let bytes = text.as_bytes();
    let head = bytes.get(..14)?;
    let matches = head[1..5].iter().all(u8::is_ascii_digit) && head[5] == b' ' && head[8] == b':' && head[11] == b':';
    if !matches {
        return None;
    }
    match head[0] {
        b'E' | b'F' => Some(Level::Error),
        b'W' => Some(Level::Warning),
        b'I' => Some(Level::Info),
        _ => None,
    }
}

/// `<3>text`: facility and severity as a number. (RFC 5424)
fn syslog(text: &str) -> Option<Level> {
    let (number, _) = text.strip_prefix('<')?.split_once('>')?;
    let priority = number.parse::<u8>().ok().filter(|priority| *priority <= 191)?;
    Level::stated(&(priority % 8).to_string())
}

/// The first word that stands where a level does.
fn words(head: &str) -> Option<Level> {
    if head.starts_with('{') {
        // Its members were looked at, and sentences in them tell nothing.
        return None;
    }
    if head.starts_with("Traceback (most recent call last)") || head.starts_with("Exception in thread") {
        return Some(Level::Error);
    }
    // Whether only times, numbers and names in brackets came so far.
    let mut is_head = true;
    let mut before = "";
    for (number, token) in head
        .split([' ', '\t', '|'])
        .filter(|token| !token.is_empty())
        .enumerate()
    {
        if number == MAX_WORDS {
            break;
        }
        if let Some(level) = word(token, before, is_head) {
            return Some(level);
        }
        is_head &= stands_before_levels(token);
        before = token;
    }
    // Of Rust.
    let panicked = head.starts_with("thread '") && head.contains("' panicked at");
    panicked.then_some(Level::Error)
}

fn word(token: &str, before: &str, is_head: bool) -> Option<Level> {
    // An address, a path, a pair, or a part of a longer name.
    if token.contains(['/', '=', '"', '\'', '@']) && !is_android(token) {
        return None;
    }
    let is_bracketed = token.starts_with(['[', '<', '(']);
    let bare = token.trim_start_matches(['[', '<', '(', '*', '-']);
    let name = bare
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    let rest = &bare[name.len()..];
    let is_whole = is_exception(bare)
        || rest.is_empty()
        || rest.starts_with([':', ']', '>', ')', '!', ',', '[', '*'])
        || rest == "-";
    if !is_whole {
        return is_android(token).then(|| Level::stated(name)).flatten();
    }
    let has_colon = rest.contains(':');
    if is_exception(bare) {
        return Some(Level::Error);
    }
    if name.len() == 1 {
        // `[E]`, `E:`; a lone letter is any word.
        let marked = is_head && ((is_bracketed && rest.starts_with([']', '>', ')'])) || (has_colon && rest.len() == 1));
        return marked.then(|| Level::stated(name)).flatten();
    }
    let level = Level::named(name)?;
    let is_negated = ["no", "without", "zero", "0", "not", "any", "non"]
        .iter()
        .any(|word| before.eq_ignore_ascii_case(word));
    if is_negated {
        return None;
    }
    let is_capital = name.chars().all(|c| c.is_ascii_uppercase());
    // Words that begin many a sentence as well.
    let is_weak = ["note", "fine", "fail", "alert", "notice", "information", "trace", "inf"]
        .iter()
        .any(|weak| name.eq_ignore_ascii_case(weak));
    let stands = if is_weak {
        is_head && (is_capital || is_bracketed || has_colon)
    } else if is_head {
        true
    } else {
        is_capital || (is_bracketed && rest.starts_with([']', ')', '>'])) || (has_colon && ends_a_place(before))
    };
    stands.then_some(level)
}

/// `TypeError:`, `java.lang.NullPointerException:`
fn is_exception(token: &str) -> bool {
    let Some((class, _)) = token.split_once([':', '(']) else {
        return false;
    };
    class.starts_with(|c: char| c.is_ascii_alphabetic())
        && (class.ends_with("Error") || class.ends_with("Exception"))
        && class
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'))
}

/// `E/Tag: text`, of Android.
fn is_android(token: &str) -> bool {
    let bytes = token.as_bytes();
    bytes.len() > 3
        && bytes[1] == b'/'
        && bytes[0].is_ascii_uppercase()
        && bytes[2].is_ascii_alphabetic()
        && token.ends_with(':')
}

/// `file.c:3:5:`, `Unhandled`, `fatal:`: a level with a colon after it is one.
fn ends_a_place(before: &str) -> bool {
    before.ends_with([':', ']', ')', '>', '-']) || before.starts_with(|c: char| c.is_ascii_uppercase())
}

/// A time, a number, a name in brackets, a separator, or where in a program.
fn stands_before_levels(token: &str) -> bool {
    token.starts_with(['[', '(', '<'])
        || token.ends_with([']', ')', '>', ':'])
        || token.starts_with(|c: char| c.is_ascii_digit())
        || token.chars().all(|c| !c.is_alphanumeric())
        || is_month_or_day(token)
        || matches!(token, "UTC" | "GMT" | "AM" | "PM" | "Z" | "npm" | "CET" | "CEST")
}

fn is_month_or_day(token: &str) -> bool {
    let name = token.trim_end_matches(',');
    [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed", "Thu",
        "Fri", "Sat", "Sun",
    ]
    .contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_level_counts_before_words() {
        for (text, level) in [
            ("error=null level=info msg=ready", Level::Info),
            (
                r#"time=x level=warning msg="level=error in text" err=nil"#,
                Level::Warning,
            ),
            (r#"msg="an error happened" lvl=dbug"#, Level::Debug),
            (r#"{"msg":"no error","level":"info"}"#, Level::Info),
            (
                r#"{"message":"{\"level\":\"error\"}","errors":[{"level":"fatal"}],"level":"debug"}"#,
                Level::Debug,
            ),
            (r#"{"level":50,"msg":"x"}"#, Level::Error),
            (r#"{"time":1700000000,"level":30,"msg":"error"}"#, Level::Info),
            (r#"{"log":{"level":"warn"},"message":"x"}"#, Level::Warning),
            (r#"{"severity":"ERROR","message":"x"}"#, Level::Error),
            (r#"2026-01-01T00:00:00Z {"log.level":"error"}"#, Level::Error),
            (r#"{"@l":"Warning","@mt":"Error rate"}"#, Level::Warning),
        ] {
            assert_eq!(Level::of(text), Some(level), "{text}");
        }
        let late = format!(r#"{{"message":"{}","error":null,"level":"info"}}"#, "x".repeat(4000));
        assert_eq!(Level::of(&late), Some(Level::Info));
    }

    #[test]
    fn levels_are_read_where_programs_write_them() {
        for (text, level) in [
            ("2026-01-01 ERROR no disk", Level::Error),
            ("2026-01-01T10:00:00.000Z\twarn\tserver.go:7\tslow", Level::Warning),
            ("[2026-01-01 10:00:00,000] [main] INFO  org.x.Y - ready", Level::Info),
            ("10:00:00.000 [main] DEBUG o.h.SQL - select", Level::Debug),
            ("2026/01/01 10:00:00 [error] 29#29: *1 open() failed", Level::Error),
            ("E0102 15:04:05.678901       1 reflector.go:7] failed", Level::Error),
            ("I0102 15:04:05.678901       1 main.go:7] no error", Level::Info),
            ("W0102 15:04:05.678901 1 x.go:1] slow", Level::Warning),
            ("TypeError: x is not a function", Level::Error),
            ("Uncaught TypeError: x is not a function", Level::Error),
            ("java.lang.IllegalStateException: closed", Level::Error),
            ("requests.exceptions.ConnectionError: refused", Level::Error),
            ("Traceback (most recent call last):", Level::Error),
            ("panic: runtime error: index out of range", Level::Error),
            ("thread 'main' panicked at src/main.rs:2:5:", Level::Error),
            ("error: expected `;`", Level::Error),
            ("error[E0382]: use of moved value", Level::Error),
            ("main.c:3:5: warning: unused variable", Level::Warning),
            ("fatal: not a git repository", Level::Error),
            ("npm ERR! code ENOENT", Level::Error),
            ("Error response from daemon: x", Level::Error),
            ("<3>disk failure", Level::Error),
            ("[W] slow", Level::Warning),
            ("E/Audio: no device", Level::Error),
            ("warn: Microsoft.Hosting[0]", Level::Warning),
            ("12:00AM INF Starting error=null", Level::Info),
            ("Jan 02 10:00:00 host app[7]: WARNING: low memory", Level::Warning),
            ("postgres | 2026-01-01 10:00:00 UTC [7] LOG:  x FATAL: y", Level::Error),
        ] {
            assert_eq!(Level::of(text), Some(level), "{text}");
        }
    }

    #[test]
    fn words_in_sentences_and_addresses_are_no_levels() {
        for text in [
            "listening on 80",
            "finished with no error",
            "No error found",
            "0 errors, 0 warnings",
            "GET /error 200",
            r#"10.0.0.1 - - [01/Jan/2026:10:00:00 +0000] "GET /error HTTP/1.1" 200 12"#,
            "the error rate is low",
            "errors=0 requests=12",
            "error=null",
            "loading error.html",
            "ErrorHandler registered",
            "completed without error",
            "terror in the night",
            r#"{"msg":"an error happened"}"#,
            "info",
        ] {
            let expected = (text == "info").then_some(Level::Info);
            assert_eq!(Level::of(text), expected, "{text}");
        }
    }
}
