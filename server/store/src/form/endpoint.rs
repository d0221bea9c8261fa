use model::network::Endpoint;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

#[derive(Serialize, Deserialize)]
struct Form {
    address: Ipv4Addr,
    prefix: u8,
    gateway: Ipv4Addr,
    mac: [u8; 6],
    host_device: String,
}

pub(crate) fn write(endpoint: &Endpoint) -> String {
    let Endpoint {
        address,
        prefix,
        gateway,
        mac,
        host_device,
    } = endpoint.clone();
    serde_json::to_string(&Form {
        address,
        prefix,
        gateway,
        mac,
        host_device,
    })
    .expect("plain data is JSON")
}

pub(crate) fn read(text: &str) -> Result<Endpoint, String> {
    let Form {
        address,
        prefix,
        gateway,
        mac,
        host_device,
    } = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(Endpoint {
        address,
        prefix,
        gateway,
        mac,
        host_device,
    })
}
