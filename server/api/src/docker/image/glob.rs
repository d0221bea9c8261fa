//! Patterns of the `reference` filter: `*` and `?` do not cross a `/`.

pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') if text[t] != b'/' => {
                p += 1;
                t += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The star takes one more.
                Some((at, from)) if text[from] != b'/' => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_one_part() {
        assert!(matches("busybox", "busybox"));
        assert!(matches("busy*:lat?st", "busybox:latest"));
        assert!(matches("*", "busybox:latest"));
        assert!(!matches("*", "team/web"));
        assert!(matches("*/web", "team/web"));
        assert!(matches("a*b*c", "axxbyybc"));
        assert!(!matches("busy", "busybox"));
    }
}
