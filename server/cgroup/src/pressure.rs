//! How long processes stood waiting for what they lacked. kernel, accounting/psi.rst

/// Absent as a whole where the kernel does not measure it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    pub cpu: PressureOf,
    pub memory: PressureOf,
    pub io: PressureOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PressureOf {
    /// At least one process waited.
    pub some: PressureLine,
    /// All of them did.
    pub full: PressureLine,
}

/// Per cent of the last 10, 60 and 300 seconds, and the sum of microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PressureLine {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total_us: u64,
}

impl PressureOf {
    /// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and the same with `full`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let into = match words.next() {
                Some("some") => &mut found.some,
                Some("full") => &mut found.full,
                _ => continue,
            };
            for (name, value) in words.filter_map(|word| word.split_once('=')) {
                let percent = || value.parse().unwrap_or(0.0);
                match name {
                    "avg10" => into.avg10 = percent(),
                    "avg60" => into.avg60 = percent(),
                    "avg300" => into.avg300 = percent(),
                    "total" => into.total_us = value.parse().unwrap_or(0),
                    _ => {}
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let text =
            "some avg10=1.50 avg60=0.20 avg300=0.01 total=123\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=45\n";
        let pressure = PressureOf::parse(text);
        assert!((pressure.some.avg10 - 1.5).abs() < 1e-9);
        assert_eq!((pressure.some.total_us, pressure.full.total_us), (123, 45));
    }
}
