//! The name a process goes by in `ps` and `top`. proc(5), prctl(2)

use std::fs;
use std::io;

/// Where the kernel looks for this process's command line.
#[derive(Debug)]
pub struct ArgumentArea {
    start: usize,
    length: usize,
}

impl ArgumentArea {
    /// Asks a `/proc` that is the kernel's own, so before entering any image. Fields 48
    /// and 49 of /proc/self/stat.
    pub fn find() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        // The name in the second field may hold anything: count from its end.
        let after_name = stat.rfind(')').map_or(0, |end| end + 1);
        let mut fields = stat[after_name..].split_ascii_whitespace().skip(45);
        let mut address = || fields.next().and_then(|field| field.parse::<usize>().ok());
        match (address(), address()) {
            (Some(start), Some(end)) if start > 0 && end > start => Ok(Self {
                start,
                length: end - start,
            }),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "/proc/self/stat does not tell where the arguments are",
            )),
        }
    }

    /// This process is called `name` from now on, without arguments. Cut off where
    /// there is no room, after 15 bytes in places. What `std::env::args` gives
    /// afterwards means nothing.
    pub fn rename(self, name: &str) {
        let room = self.length - 1;
        let kept = &name.as_bytes()[..name.len().min(room)];
        // SAFETY: the kernel told that `length` bytes from `start` are this process's
        // arguments: on its stack, writable, there until it ends. Nothing here holds a
        // reference into them, and whoever reads them as C strings finds an end, since
        // the last byte stays zero.
        unsafe {
            let area = std::ptr::with_exposed_provenance_mut::<u8>(self.start);
            std::ptr::write_bytes(area, 0, self.length);
            std::ptr::copy_nonoverlapping(kept.as_ptr(), area, kept.len());
        }
        set_short(name);
    }
}

/// The name where programs show no arguments; cut off after 15 bytes. `PR_SET_NAME`
pub fn set_short(name: &str) {
    let short: Vec<u8> = name.bytes().take(15).collect();
    if let Ok(short) = std::ffi::CString::new(short) {
        let _ = rustix::thread::set_name(&short);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_where_the_kernel_says() {
        let area = ArgumentArea::find().unwrap();
        let shown = fs::read("/proc/self/cmdline").unwrap();
        assert_eq!(area.length, shown.len());
    }
}
