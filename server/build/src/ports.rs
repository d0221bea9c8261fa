use crate::instruction::PORTS_HINT;

/// A range as wide as all ports is the widest.
const MOST: u32 = 65_535;

/// `8000-8002` as `8000/tcp` and so on, in the form of an image's configuration.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{text}` is no port; {PORTS_HINT}");
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, protocol)) => (ports, protocol.to_ascii_lowercase()),
        None => (text, "tcp".to_owned()),
    };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(wrong());
    }
    // A port of the host in front was allowed once, and means nothing.
    let ports = ports.rsplit(':').next().unwrap_or_default();
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| text.parse::<u32>().ok().filter(|port| (1..=MOST).contains(port));
    let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
    if first > last {
        return Err(wrong());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges_are_read() {
        assert_eq!(parse("80").unwrap(), ["80/tcp"]);
        assert_eq!(parse("53/UDP").unwrap(), ["53/udp"]);
        assert_eq!(parse("1-3/tcp").unwrap().len(), 3);
        for wrong in ["", "0", "65536", "3-1", "80/what", "http"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
