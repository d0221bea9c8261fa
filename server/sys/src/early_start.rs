//! Running from a place that nobody can write to, before anything else is done.
//!
//! A container reaches the program that enters it through `/proc/PID/exe`, so that one
//! executes itself anew from a read-only mount of its own file. Beginning costs a static
//! program a third of a millisecond where the C library asks a virtual processor what it
//! is; so this comes before the C library, as the entry of the program, which it then
//! hands on to. It decides nothing: who must not run from elsewhere looks again, and
//! does the same later where this did not.
//!
//! The linker is told by the build script of the program: `-e gantry_start`. Nothing here
//! may call into the C library or use a thread's variables, neither of which is there
//! yet: that is also why texts are compared by hand.

use std::arch::{asm, global_asm};

global_asm!(
    ".globl gantry_start",
    "gantry_start:",
    "xor ebp, ebp",
    // The stack as the kernel left it; rdx is the dynamic linker's for `_start`.
    "mov rdi, rsp",
    "mov rbx, rsp",
    "mov r12, rdx",
    "and rsp, -16",
    "call {early}",
    "mov rsp, rbx",
    "mov rdx, r12",
    "jmp _start",
    early = sym early,
);

/// Commands that enter containers.
const ENTERING: [&[u8]; 3] = [b"create", b"run", b"exec"];
const SHIM: &[u8] = b"shim";
/// What a program that was executed by a descriptor is called.
const BY_DESCRIPTOR: &[u8] = b"/proc/self/fd/";
const SELF: &[u8; 15] = b"/proc/self/exe\0";

// linux/auxvec.h, linux/mount.h, linux/fcntl.h
const AT_EXECFN: usize = 31;
const OPEN_TREE_CLONE: usize = 1;
const O_CLOEXEC: usize = 0o2_000_000;
const AT_FDCWD: usize = -100_isize as usize;
const AT_EMPTY_PATH: usize = 0x1000;
const MOUNT_ATTR_RDONLY: u64 = 1;

/// `stack` is where the kernel put the number of arguments, then the arguments, the
/// environment and the auxiliary vector. System V ABI, "Process Initialization"
extern "C" fn early(stack: *const usize) {
    // SAFETY: the kernel laid out these arrays, each ended by a zero, and every text in
    // them ends in a zero byte; nobody has changed them yet.
    unsafe {
        let count = *stack;
        let arguments = stack.add(1);
        let environment = arguments.add(count + 1);
        if count < 2 || is(*arguments.add(1), SHIM) || !enters(arguments, count) {
            return;
        }
        let mut end = environment;
        while *end != 0 {
            end = end.add(1);
        }
        let mut auxiliary = end.add(1);
        while *auxiliary != 0 {
            if *auxiliary == AT_EXECFN && begins(*auxiliary.add(1), BY_DESCRIPTOR) {
                return;
            }
            auxiliary = auxiliary.add(2);
        }
        execute_read_only(arguments, environment);
    }
}

/// Comes back when it did not work, having changed nothing.
///
/// # Safety
/// Both arrays are as execve(2) wants them.
unsafe fn execute_read_only(arguments: *const usize, environment: *const usize) {
    let attributes: [u64; 4] = [MOUNT_ATTR_RDONLY, 0, 0, 0];
    // SAFETY: the texts end in zero bytes, and they and the attributes outlive the calls.
    unsafe {
        let tree = call(
            libc::SYS_open_tree,
            [AT_FDCWD, SELF.as_ptr() as usize, OPEN_TREE_CLONE | O_CLOEXEC, 0, 0],
        );
        // One digit is enough so early, or the ordinary way is taken.
        if !(0..=9).contains(&tree) {
            return;
        }
        let changed = call(
            libc::SYS_mount_setattr,
            [
                tree as usize,
                c"".as_ptr() as usize,
                AT_EMPTY_PATH,
                attributes.as_ptr() as usize,
                32,
            ],
        );
        if changed == 0 {
            let mut path = *b"/proc/self/fd/0\0";
            path[14] += tree as u8;
            call(
                libc::SYS_execve,
                [path.as_ptr() as usize, arguments as usize, environment as usize, 0, 0],
            );
        }
        call(libc::SYS_close, [tree as usize, 0, 0, 0, 0]);
    }
}

/// # Safety
/// `count` texts, each ended by a zero byte.
unsafe fn enters(arguments: *const usize, count: usize) -> bool {
    let mut place = 1;
    while place < count {
        let mut command = 0;
        while command < ENTERING.len() {
            // SAFETY: `place` is below the count.
            if unsafe { is(*arguments.add(place), ENTERING[command]) } {
                return true;
            }
            command += 1;
        }
        place += 1;
    }
    false
}

/// # Safety
/// `text` is the address of bytes that end in a zero.
unsafe fn begins(text: usize, with: &[u8]) -> bool {
    let mut place = 0;
    while place < with.len() {
        // SAFETY: a zero differs from every byte of `with`, so reading ends there. The
        // read is volatile so that it stays a loop, and becomes no call of the library's.
        if unsafe { (text as *const u8).add(place).read_volatile() } != with[place] {
            return false;
        }
        place += 1;
    }
    true
}

/// # Safety
/// As [`begins`].
unsafe fn is(text: usize, word: &[u8]) -> bool {
    // SAFETY: when it begins so, the next byte is at most its zero.
    unsafe { begins(text, word) && (text as *const u8).add(word.len()).read_volatile() == 0 }
}

/// A system call with up to five arguments; an error is negative.
///
/// # Safety
/// As the call itself.
unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> isize {
    let answer: isize;
    // SAFETY: the kernel's convention: it changes rax, rcx and r11 alone.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}
