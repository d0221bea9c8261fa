//! The near side of a pseudoterminal. pty(7), ioctl_tty(2)

use rustix::pty::OpenptFlags;
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Sets the window size; the kernel tells the foreground processes. `TIOCSWINSZ`
pub fn resize(master: impl AsFd, rows: u16, cols: u16) -> io::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(master, size)?)
}

/// Opens the far side without its path. While somebody holds it, the near side
/// does not hang up when the last process lets go of the terminal, as a program
/// may do and open it again. `TIOCGPTPEER`
pub fn hold_peer(master: impl AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::pty::ioctl_tiocgptpeer(
        master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )?)
}
