//! Counts, shares and rates.

/// `1 240`: thin spaces between thousands.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::with_capacity(digits.len() * 2);
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(c);
    }
    shown
}

/// One decimal below ten, none above: `0.4`, `7.3`, `58`.
pub fn short(value: f64) -> String {
    let tenths = tenths(value);
    if tenths >= 100 {
        return count((tenths + 5) / 10);
    }
    let mut shown = (tenths / 10).to_string();
    if !tenths.is_multiple_of(10) {
        shown.push('.');
        shown.push_str(&(tenths % 10).to_string());
    }
    shown
}

/// `12.4 %` of one processor or of a whole.
pub fn percent(value: f64) -> String {
    short(value) + " %"
}

/// Cores with two decimals: `0.05`, `1.50`.
pub fn cores(value: f64) -> String {
    let hundredths = tenths(value * 10.0);
    let cents = hundredths % 100;
    let zero = if cents < 10 { "0" } else { "" };
    (hundredths / 100).to_string() + "." + zero + &cents.to_string()
}

/// `1.2 MiB/s`.
pub fn rate(bytes_per_second: f64) -> String {
    model::size::show(whole(bytes_per_second)) + "/s"
}

/// The nearest whole number, at least zero.
#[expect(clippy::cast_possible_truncation, reason = "a saturating cast is what is wanted")]
pub fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

fn tenths(value: f64) -> u64 {
    whole(value * 10.0)
}

/// `1 container`, `3 containers`.
pub fn plural(number: usize, one: &str) -> String {
    let mut shown = count(number as u64) + " " + one;
    if number != 1 {
        shown.push('s');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_honest() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(short(0.04), "0");
        assert_eq!(short(0.46), "0.5");
        assert_eq!(short(9.0), "9");
        assert_eq!(short(58.44), "58");
        assert_eq!(percent(f64::NAN), "0 %");
        assert_eq!(cores(0.05), "0.05");
        assert_eq!(cores(1.5), "1.50");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(plural(1, "image"), "1 image");
        assert_eq!(plural(0, "image"), "0 images");
    }
}
