//! Natural sort order of names.

use std::cmp::Ordering;

/// Natural sort order: `web-2` comes before `web-10`. Only identical strings compare as equal.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let ((a_digits, a_rest), (b_digits, b_rest)) = (digits(left), digits(right));
        if a_digits.is_empty() || b_digits.is_empty() {
            let (mut a_letters, mut b_letters) = (left.chars(), right.chars());
            match (a_letters.next(), b_letters.next()) {
                (None, None) => break,
                (a_letter, b_letter) if a_letter != b_letter => return a_letter.cmp(&b_letter),
                _ => (left, right) = (a_letters.as_str(), b_letters.as_str()),
            }
            continue;
        }
        let (a_number, b_number) = (a_digits.trim_start_matches('0'), b_digits.trim_start_matches('0'));
        // Of any length: more digits are a greater number.
        let by_number = a_number.len().cmp(&b_number.len()).then_with(|| a_number.cmp(b_number));
        if by_number != Ordering::Equal {
            return by_number;
        }
        (left, right) = (a_rest, b_rest);
    }
    a.cmp(b)
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_counted() {
        let wanted = [
            "",
            "2",
            "10",
            "100",
            "db",
            "web",
            "web-1",
            "web-02",
            "web-2",
            "web-2-b",
            "web-10",
            "web-10a",
            "web-99999999999999999999999",
            "web-100000000000000000000000",
            "webs",
            "\u{fc}ber",
        ];
        let mut names = wanted;
        names.reverse();
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, wanted);
    }
}
