//! Keeping the C library's allocator small in a process that lives long and does
//! little. malloc_trim(3), mallopt(3)

/// Gives free memory back to the kernel. Worth calling after something large,
/// such as parsed JSON, is gone.
pub fn trim() {
    // SAFETY: takes no pointer, and may be called at any time.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lets large blocks go back as soon as they are freed, and keeps no spare at the
/// top of the heap.
pub fn stay_small() {
    // SAFETY: takes two integers; to be called before there is a second thread,
    // since it is not atomic, but even then it only sets tuning values.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 10);
        libc::mallopt(libc::M_TOP_PAD, 16 << 10);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10);
    }
}
