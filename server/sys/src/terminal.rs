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

/// Rows and columns. `TIOCGWINSZ`
pub fn size(terminal: impl AsFd) -> io::Result<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(terminal)?;
    Ok((size.ws_row, size.ws_col))
}

/// Has the terminal pass a line feed on as it is, without a carriage return before it. Clears
/// `ONLCR`, termios(3)
pub fn keep_line_ends(terminal: impl AsFd) -> io::Result<()> {
    let mut settings = rustix::termios::tcgetattr(&terminal)?;
    settings.output_modes.remove(rustix::termios::OutputModes::ONLCR);
    Ok(rustix::termios::tcsetattr(
        &terminal,
        rustix::termios::OptionalActions::Now,
        &settings,
    )?)
}

/// The standard input's terminal in raw mode, until dropped. Output is processed still: the
/// terminal adds the carriage returns that a container's terminal leaves out.
#[derive(Debug)]
pub struct Raw(rustix::termios::Termios);

impl Raw {
    /// # Errors
    /// `ENOTTY` when the standard input is no terminal.
    pub fn enter() -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        let output = rustix::termios::OutputModes::OPOST | rustix::termios::OutputModes::ONLCR;
        raw.output_modes.insert(output & before.output_modes);
        rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}
