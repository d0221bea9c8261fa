//! Archives in cpio's `newc` form, which the kernel unpacks as its first root. kernel,
//! driver-api/early-userspace/buffer-format.rst

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHAR_DEVICE: u32 = 0o020_600;

pub(super) struct Archive {
    out: BufWriter<File>,
    count: u32,
    /// The kernel wants every header and every content at a multiple of four.
    length: usize,
}

impl Archive {
    pub(super) fn create(file: &Path) -> io::Result<Self> {
        Ok(Self {
            out: BufWriter::new(File::create(file)?),
            count: 0,
            length: 0,
        })
    }

    /// Its parents come before it.
    pub(super) fn directory(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, DIRECTORY, (0, 0), &[])
    }

    pub(super) fn program(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.entry(name, PROGRAM, (0, 0), content)
    }

    pub(super) fn link(&mut self, name: &str, to: &str) -> io::Result<()> {
        self.entry(name, LINK, (0, 0), to.as_bytes())
    }

    pub(super) fn char_device(&mut self, name: &str, number: (u32, u32)) -> io::Result<()> {
        self.entry(name, CHAR_DEVICE, number, &[])
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()
    }

    fn entry(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) -> io::Result<()> {
        self.count += 1;
        let header = format!(
            "070701{inode:08x}{mode:08x}{uid:08x}{gid:08x}{links:08x}{time:08x}{size:08x}{zero:08x}{zero:08x}{major:08x}{minor:08x}{name_size:08x}{zero:08x}",
            inode = self.count,
            uid = 0,
            gid = 0,
            links = 1,
            time = 0,
            size = content.len(),
            zero = 0,
            name_size = name.len() + 1,
        );
        self.write(header.as_bytes())?;
        self.write(name.as_bytes())?;
        self.write(&[0])?;
        self.pad()?;
        self.write(content)?;
        self.pad()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len();
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> io::Result<()> {
        let missing = self.length.next_multiple_of(4) - self.length;
        self.write(&[0; 3][..missing])
    }
}
