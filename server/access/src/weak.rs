//! Passwords that anybody would try first.

/// Fewer different characters are easily tried.
const FEWEST_DIFFERENT: usize = 4;
/// A shorter part that is repeated over and over is easily tried.
const LONGEST_PERIOD: usize = 4;
/// What has to be left without the user's name.
const SHORTEST_WITHOUT_NAME: usize = 6;
/// In lower case; digits and punctuation around them do not help.
const COMMON: [&str; 20] = [
    "admin",
    "administrator",
    "changeme",
    "docker",
    "dragon",
    "football",
    "gantry",
    "iloveyou",
    "letmein",
    "login",
    "master",
    "monkey",
    "passw0rd",
    "password",
    "qwerty",
    "root",
    "secret",
    "test",
    "user",
    "welcome",
];
/// Keys beside each other, and in columns.
const KEYBOARD: [&str; 6] = [
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1234567890",
    "1qaz2wsx3edc4rfv5tgb",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// Why a new password of the user `name` is refused.
pub(crate) fn reason(password: &str, name: &str) -> Option<&'static str> {
    let letters: Vec<char> = password.to_lowercase().chars().collect();
    let text: String = letters.iter().collect();
    let mut different = letters.clone();
    different.sort_unstable();
    different.dedup();
    let is_periodic = |period: usize| letters.iter().zip(&letters[period..]).all(|(a, b)| a == b);
    if different.len() < FEWEST_DIFFERENT || (1..=LONGEST_PERIOD).any(is_periodic) {
        return Some("it repeats a few characters");
    }
    let beside = |pair: &&[char]| (u32::from(pair[0])).abs_diff(u32::from(pair[1])) <= 1;
    // A break or two, as in 1234567890, change nothing.
    if letters.windows(2).filter(beside).count() + 2 >= letters.len() - 1 {
        return Some("it is a sequence of characters");
    }
    if is_on_keyboard(&text) {
        return Some("it is a sequence of keys");
    }
    let is_around = |c: char| !c.is_alphabetic();
    if COMMON.contains(&text.trim_matches(is_around)) {
        return Some("it is a common password");
    }
    let name = name.to_lowercase();
    if name.len() >= 3 && text.contains(&name) && text.replace(&name, "").chars().count() < SHORTEST_WITHOUT_NAME {
        return Some("it is little more than the user's name");
    }
    None
}

fn is_on_keyboard(text: &str) -> bool {
    let reversed: String = text.chars().rev().collect();
    let mut rest = text;
    // Rows one after the other, each from its beginning.
    while let Some(shared) = KEYBOARD
        .iter()
        .map(|row| common_start(rest, row))
        .max()
        .filter(|n| *n >= 4)
    {
        rest = &rest[shared..];
    }
    rest.is_empty() || KEYBOARD.iter().any(|row| row.contains(text) || row.contains(&reversed))
}

/// Bytes that both begin with; rows are ASCII.
fn common_start(text: &str, row: &str) -> usize {
    text.bytes().zip(row.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_would_try_is_refused() {
        for password in [
            "aaaaaaaaaa",
            "AaAaAaAaAa",
            "abababababab",
            "abcabcabcabc",
            "abcdabcdabcd",
            "1234567890",
            "0987654321",
            "abcdefghij",
            "aaaaaaaaab",
            "qwertyuiop",
            "poiuytrewq",
            "qwertyasdfgh",
            "1q2w3e4r5t",
            "1qaz2wsx3edc",
            "password123",
            "Password123!",
            "!!admin12345",
            "administrator",
            "ada.king-1",
        ] {
            assert!(reason(password, "ada.king").is_some(), "{password}");
        }
    }

    #[test]
    fn what_takes_some_guessing_is_taken() {
        for password in [
            "correct horse",
            "correct horse battery staple",
            "battery staple",
            "another password",
            "a long enough password",
            "t7#kLm-92qPz",
            "ada.king likes gin",
            "äöüßéèêëñõ",
        ] {
            assert_eq!(reason(password, "ada.king"), None, "{password}");
        }
    }
}
