//! How much one archive may bring.

/// What goes beyond is refused while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of what comes out of one layer or archive.
    pub bytes: u64,
    /// So many times what went in, once more than `ratio_from_bytes` came out. Of zeros
    /// gzip makes 1:1,030, and hardly anything else honest comes near a tenth of that.
    pub ratio: u64,
    /// Small layers of zeros have a high ratio honestly.
    pub ratio_from_bytes: u64,
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 30,
            ratio: 250,
            ratio_from_bytes: 1 << 30,
            entries: 5_000_000,
        }
    }
}
