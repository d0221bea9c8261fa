//! How registries are reached.

/// How a connection to a registry is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tls {
    /// The certificate is verified. A registry on loopback without certificate authorities
    /// of its own is reached by plain HTTP.
    #[default]
    Verified,
    /// Encrypted, and the certificate is not verified.
    Unverified,
    /// Plain HTTP.
    Off,
}
