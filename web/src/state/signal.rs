//! Reading and writing signals through their guards.
//!
//! Leptos' own `with` and `update` are compiled once for every closure, layer
//! upon layer; these are compiled once for every type, and the closure melts
//! into its caller. That is a third of what a visitor would download.

use leptos::prelude::{Read, ReadUntracked, ReadValue, Write};
use std::ops::Deref;

pub trait See: Read + Sized {
    /// Reads and follows the signal.
    #[inline]
    fn see<R>(&self, act: impl FnOnce(&<Self::Value as Deref>::Target) -> R) -> R {
        act(&self.read())
    }
}

impl<S: Read> See for S {}

pub trait Peek: ReadUntracked {
    /// Reads the signal without following it.
    #[inline]
    fn peek<R>(&self, act: impl FnOnce(&<Self::Value as Deref>::Target) -> R) -> R {
        act(&self.read_untracked())
    }
}

impl<S: ReadUntracked> Peek for S {}

pub trait Hold: ReadValue {
    /// Reads a stored value.
    #[inline]
    fn hold<R>(&self, act: impl FnOnce(&<Self::Value as Deref>::Target) -> R) -> R {
        act(&self.read_value())
    }
}

impl<S: ReadValue> Hold for S {}

pub trait Edit: Write {
    /// Changes the signal and tells those who follow it.
    #[inline]
    fn edit(&self, act: impl FnOnce(&mut Self::Value)) {
        if let Some(mut guard) = self.try_write() {
            act(&mut guard);
        }
    }
}

impl<S: Write> Edit for S {}
