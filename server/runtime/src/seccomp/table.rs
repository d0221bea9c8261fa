//! The numbers of system calls on each architecture.

use oci_spec::runtime::Arch;

/// What the kernel calls a set of system call numbers, and the numbers.
pub(super) struct Numbers {
    /// `AUDIT_ARCH_*`, linux/audit.h
    pub(super) audit: u32,
    pub(super) list: Vec<(&'static str, u32)>,
}

/// Set in the number of every call by way of x32, which has x86_64's architecture.
pub(super) const X32_BIT: u32 = 0x4000_0000;

pub(super) const AUDIT_X86_64: u32 = 0xc000_003e;

/// Every call of the architecture's module of the crate `syscalls`.
macro_rules! every {
    ($arch:ident) => {
        syscalls::$arch::Sysno::iter()
            .map(|call| (call.name(), call.id().cast_unsigned()))
            .collect()
    };
}

type List = fn() -> Vec<(&'static str, u32)>;

/// Those whose numbers we have.
const ARCHITECTURES: [(Arch, u32, List); 9] = [
    (Arch::ScmpArchX86_64, AUDIT_X86_64, || every!(x86_64)),
    (Arch::ScmpArchX32, AUDIT_X86_64, x32),
    (Arch::ScmpArchX86, 0x4000_0003, || every!(x86)),
    (Arch::ScmpArchAarch64, 0xc000_00b7, || every!(aarch64)),
    (Arch::ScmpArchArm, 0x4000_0028, || every!(arm)),
    (Arch::ScmpArchRiscv64, 0xc000_00f3, || every!(riscv64)),
    (Arch::ScmpArchS390x, 0x8000_0016, || every!(s390x)),
    (Arch::ScmpArchPpc64le, 0xc000_0015, || every!(powerpc64)),
    (Arch::ScmpArchLoongarch64, 0xc000_0102, || every!(loongarch64)),
];

pub(super) fn known() -> [Arch; 9] {
    ARCHITECTURES.map(|(arch, ..)| arch)
}

/// The numbers of `arch`; `None` for one whose numbers we do not have.
pub(super) fn numbers(arch: Arch) -> Option<Numbers> {
    let (_, audit, list) = ARCHITECTURES.iter().find(|(known, ..)| *known == arch)?;
    Some(Numbers {
        audit: *audit,
        list: list(),
    })
}

/// The architecture this program was compiled for.
pub(super) fn native() -> Arch {
    match std::env::consts::ARCH {
        "x86_64" => Arch::ScmpArchX86_64,
        "x86" => Arch::ScmpArchX86,
        "aarch64" => Arch::ScmpArchAarch64,
        "arm" => Arch::ScmpArchArm,
        "riscv64" => Arch::ScmpArchRiscv64,
        "s390x" => Arch::ScmpArchS390x,
        "powerpc64" => Arch::ScmpArchPpc64le,
        "loongarch64" => Arch::ScmpArchLoongarch64,
        _ => Arch::ScmpArchNative,
    }
}

/// x86_64's numbers, but for calls that take structures of another layout.
fn x32() -> Vec<(&'static str, u32)> {
    let mut list: Vec<(&'static str, u32)> = every!(x86_64);
    for (name, number) in &mut list {
        if let Some((_, own)) = X32_OWN.iter().find(|(own, _)| own == name) {
            *number = *own;
        }
        *number |= X32_BIT;
    }
    list
}

/// arch/x86/entry/syscalls/syscall_64.tbl, the rows marked `x32`.
const X32_OWN: [(&str, u32); 36] = [
    ("rt_sigaction", 512),
    ("rt_sigreturn", 513),
    ("ioctl", 514),
    ("readv", 515),
    ("writev", 516),
    ("recvfrom", 517),
    ("sendmsg", 518),
    ("recvmsg", 519),
    ("execve", 520),
    ("ptrace", 521),
    ("rt_sigpending", 522),
    ("rt_sigtimedwait", 523),
    ("rt_sigqueueinfo", 524),
    ("sigaltstack", 525),
    ("timer_create", 526),
    ("mq_notify", 527),
    ("kexec_load", 528),
    ("waitid", 529),
    ("set_robust_list", 530),
    ("get_robust_list", 531),
    ("vmsplice", 532),
    ("move_pages", 533),
    ("preadv", 534),
    ("pwritev", 535),
    ("rt_tgsigqueueinfo", 536),
    ("recvmmsg", 537),
    ("sendmmsg", 538),
    ("process_vm_readv", 539),
    ("process_vm_writev", 540),
    ("setsockopt", 541),
    ("getsockopt", 542),
    ("io_setup", 543),
    ("io_submit", 544),
    ("execveat", 545),
    ("preadv2", 546),
    ("pwritev2", 547),
];
