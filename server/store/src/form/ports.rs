use model::network::PortMapping;

/// As people write them: `["127.0.0.1:8080:80/tcp"]`.
pub(crate) fn write(ports: &[PortMapping]) -> String {
    serde_json::to_string(&texts(ports)).expect("strings are JSON")
}

pub(crate) fn read(text: &str) -> Result<Vec<PortMapping>, String> {
    parse(&serde_json::from_str::<Vec<String>>(text).map_err(|e| e.to_string())?)
}

pub(crate) fn texts(ports: &[PortMapping]) -> Vec<String> {
    ports.iter().map(ToString::to_string).collect()
}

pub(crate) fn parse(texts: &[String]) -> Result<Vec<PortMapping>, String> {
    let mut ports = Vec::new();
    for text in texts {
        ports.extend(PortMapping::parse(text).map_err(|e| e.to_string())?);
    }
    Ok(ports)
}
