//! The machine's disk: programs, the libraries they name, the test files, and the little
//! that a host has in `/etc`.

use crate::test::TestFile;
use crate::{packages, process, workspace};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Sparse: what is not written takes no place on this host.
const SIZE: &str = "8G";

/// Debian's own programs that tests or the server call. What else they call is busybox's,
/// which packs nothing with bzip2, xz or zstd. `ldd` is a script of bash.
const PROGRAMS: [&str; 19] = [
    "sh", "timeout", "mount", "umount", "tar", "nft", "ip", "sed", "date", "stty", "script", "setpriv", "unshare",
    "openssl", "bzip2", "xz", "zstd", "ldd", "bash",
];
/// Those that some tests can do without, and that not every host has.
const PROGRAMS_IF_THERE: [&str; 8] = [
    "newuidmap",
    "newgidmap",
    "slirp4netns",
    "pasta",
    "mkfs.btrfs",
    "btrfs",
    "setfattr",
    "setcap",
];

/// Taken as the host has them.
const HOST_FILES: [&str; 2] = [
    // The server makes its client of registries at the start.
    "/etc/ssl/certs/ca-certificates.crt",
    // Without it `openssl req` makes no certificate.
    "/usr/lib/ssl/openssl.cnf",
];

const FILES: [(&str, &str); 10] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("etc/subuid", "root:100000:65536\n"),
    ("etc/subgid", "root:100000:65536\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/resolv.conf", "nameserver 192.0.2.53\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/hostname", "gantry-vm\n"),
    ("vm/init", include_str!("init.sh")),
    ("vm/run", include_str!("run.sh")),
];

pub(super) fn make(files: &[&TestFile], file_limit: Duration) -> Result<PathBuf> {
    let folder = super::folder();
    let root = Root::empty(folder.join("root"))?;
    for (name, text) in FILES {
        root.write(name, text)?;
    }
    root.make_executable("vm/init")?;
    root.add_busybox()?;
    let mut wanted = BTreeSet::new();
    for name in PROGRAMS {
        wanted.insert(find(name).with_context(|| format!("this host has no program `{name}`"))?);
    }
    wanted.extend(PROGRAMS_IF_THERE.into_iter().filter_map(find));
    for program in &wanted {
        root.add(program, program)?;
    }
    root.add_tests(files)?;
    root.add_test_data()?;
    let mut environment = format!(
        "export FILE_LIMIT={} GANTRY_TEST_PATIENCE={}\n",
        file_limit.as_secs(),
        PATIENCE
    );
    if files
        .iter()
        .any(|file| file.name.starts_with("gantry/") && file.name != "gantry/limits")
    {
        for (variable, package) in [("DOCKER_REGISTRY", 0), ("DOCKER_CLI", 1)] {
            let program = packages::unpack(&packages::UNPACKED[package])?;
            root.add(&program, &program)?;
            writeln!(environment, "export {variable}={}", program.display())?;
        }
    }
    if files.iter().any(|file| file.name.ends_with("/attacks")) {
        let attacker = Path::new("/vm/attacker");
        root.add(&compile_attacker()?, attacker)?;
        writeln!(environment, "export GANTRY_TEST_ATTACKER={}", attacker.display())?;
    }
    root.write("vm/environment", &environment)?;
    root.write("vm/list", &list_of(files)?)?;
    root.into_disk(&folder.join("root.img"))
}

/// What a Debian with systemd gets besides.
const SYSTEMD_FILES: [(&str, &str); 5] = [
    ("vm/init", include_str!("systemd-init.sh")),
    ("vm/systemd-run", include_str!("systemd-run.sh")),
    ("vm/run", include_str!("run.sh")),
    (
        "etc/systemd/system/gantry-tests.service",
        include_str!("gantry-tests.service"),
    ),
    ("etc/hostname", "gantry-vm\n"),
];

/// A disk with the Debian of `tar`, whose init runs the test files.
pub(super) fn make_with_systemd(tar: &Path, files: &[&TestFile], file_limit: Duration) -> Result<PathBuf> {
    let folder = super::folder();
    let root = Root::empty(folder.join("debian"))?;
    process::run(
        process::command("tar")
            .args(["-x", "--keep-directory-symlink", "-C"])
            .arg(&root.dir)
            .arg("-f")
            .arg(tar),
    )?;
    for (name, text) in SYSTEMD_FILES {
        root.write(name, text)?;
    }
    for name in ["vm/init", "vm/systemd-run"] {
        root.make_executable(name)?;
    }
    let wanted = root.dir.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wanted)?;
    symlink("../gantry-tests.service", wanted.join("gantry-tests.service"))?;
    root.add_busybox()?;
    root.add(
        &find("nft").context("this host has no program `nft`")?,
        Path::new("/usr/sbin/nft"),
    )?;
    root.add_tests(files)?;
    let environment = format!(
        "export FILE_LIMIT={} GANTRY_TEST_PATIENCE={PATIENCE}\n",
        file_limit.as_secs()
    );
    root.write("vm/environment", &environment)?;
    root.write("vm/list", &list_of(files)?)?;
    root.into_disk(&folder.join("debian.img"))
}

/// The machine has no compiler.
fn compile_attacker() -> Result<PathBuf> {
    let program = super::folder().join("attacker");
    let mut compile = process::command("cc");
    compile.args(["-static", "-O1", "-o"]).arg(&program);
    process::run(compile.arg(workspace::root().join("tests/attacks/attacker.c")))?;
    Ok(program)
}

/// Name, folder and program of each.
fn list_of(files: &[&TestFile]) -> Result<String> {
    let mut list = String::new();
    for file in files {
        writeln!(
            list,
            "{}\t{}\t{}",
            file.name,
            file.folder.display(),
            file.program.display()
        )?;
    }
    Ok(list)
}

/// How many times longer than elsewhere tests wait before they give up.
const PATIENCE: u32 = 10;

struct Root {
    dir: PathBuf,
}

impl Root {
    /// With the folders of a host whose `/bin` and `/lib` are in `/usr`.
    fn empty(dir: PathBuf) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        for name in [
            "dev",
            "etc",
            "proc",
            "root",
            "run",
            "sys",
            "tmp",
            "var/tmp",
            "vm/bin",
            "usr/bin",
            "usr/sbin",
            "usr/lib",
            "usr/lib64",
        ] {
            fs::create_dir_all(dir.join(name))?;
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), dir.join(name))?;
        }
        Ok(Self { dir })
    }

    /// Where a path of the machine lies here.
    fn inside(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").unwrap_or(path);
        match path
            .components()
            .next()
            .map(|first| first.as_os_str().to_string_lossy())
        {
            Some(first) if ["bin", "sbin", "lib", "lib64"].contains(&first.as_ref()) => self.dir.join("usr").join(path),
            _ => self.dir.join(path),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn make_executable(&self, name: &str) -> Result<()> {
        Ok(fs::set_permissions(
            self.dir.join(name),
            fs::Permissions::from_mode(0o755),
        )?)
    }

    /// Its names come last on the path, so that Debian's own programs win.
    fn add_busybox(&self) -> Result<()> {
        let busybox = Path::new("/bin/busybox");
        self.add(busybox, busybox)?;
        let names = process::output(process::command(busybox).arg("--list")).context("busybox names no applets")?;
        for name in names.lines() {
            symlink("/bin/busybox", self.dir.join("vm/bin").join(name))?;
        }
        Ok(())
    }

    /// A program or library of this host, and the libraries it names.
    fn add(&self, from: &Path, to: &Path) -> Result<()> {
        let place = self.inside(to);
        if place.exists() {
            return Ok(());
        }
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        // A link costs nothing; another file system gets a copy.
        let real = from
            .canonicalize()
            .with_context(|| format!("cannot find {}", from.display()))?;
        if fs::hard_link(&real, &place).is_err() {
            fs::copy(&real, &place).with_context(|| format!("cannot copy {}", real.display()))?;
        }
        for library in libraries(from) {
            self.add(&library, &library)?;
        }
        Ok(())
    }

    /// Our programs and the test files, where the tests were told, at compile time, that
    /// they lie.
    fn add_tests(&self, files: &[&TestFile]) -> Result<()> {
        let programs = workspace::target().join("debug");
        let mut ours = vec![programs.join("gantry"), programs.join("gantry-runtime")];
        ours.extend(files.iter().map(|file| file.program.clone()));
        for program in &ours {
            self.add_stripped(program)?;
        }
        for file in files {
            fs::create_dir_all(self.inside(&file.folder))?;
        }
        // Cargo's CARGO_TARGET_TMPDIR.
        fs::create_dir_all(self.inside(&workspace::target().join("tmp")))?;
        for file in HOST_FILES.map(Path::new).into_iter().filter(|file| file.exists()) {
            self.add(file, file)?;
        }
        Ok(())
    }

    /// What we compiled, without what is only for a debugger: a tenth is left.
    fn add_stripped(&self, program: &Path) -> Result<()> {
        let folder = super::folder().join("stripped");
        fs::create_dir_all(&folder)?;
        let stripped = folder.join(program.file_name().unwrap_or_default());
        if !is_newer(&stripped, program) {
            let new = stripped.with_extension("new");
            let mut strip = process::command("strip");
            strip.arg("-o").arg(&new).arg(program);
            if !strip
                .status()
                .context("cannot start strip, of the package binutils")?
                .success()
            {
                bail!("cannot strip {}", program.display());
            }
            fs::rename(&new, &stripped)?;
        }
        self.add(&stripped, program)
    }

    /// What tests read beside what was compiled into them.
    fn add_test_data(&self) -> Result<()> {
        let listed = process::output(process::command("git").args(["ls-files", "tests", "server/*/tests"]));
        for name in listed.unwrap_or_default().lines() {
            let file = workspace::root().join(name);
            if file.exists() && file.extension().is_none_or(|extension| extension != "rs") {
                self.add(&file, &file)?;
            }
        }
        Ok(())
    }

    fn into_disk(self, image: &Path) -> Result<PathBuf> {
        let _ = fs::remove_file(image);
        let mut make = process::command("mke2fs");
        make.env("PATH", with_sbin())
            .args(["-q", "-t", "ext4", "-F", "-E", "root_owner=0:0", "-d"])
            .arg(&self.dir)
            .arg(image)
            .arg(SIZE);
        process::run(&mut make)?;
        Ok(image.to_owned())
    }
}

fn is_newer(made: &Path, than: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    matches!((time(made), time(than)), (Some(made), Some(than)) if made >= than)
}

/// An ordinary user's path lacks the folders of the administrator's programs.
fn with_sbin() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

fn find(program: &str) -> Option<PathBuf> {
    let path = with_sbin();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// What the loader would load: `libc.so.6 => /lib/…/libc.so.6 (0x…)`, and the loader
/// itself, which has no arrow.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let shown = process::output(process::command("ldd").arg(program)).unwrap_or_default();
    shown
        .lines()
        .filter_map(|line| {
            let word = line.split("=>").last()?.split_whitespace().next()?;
            word.starts_with('/').then(|| PathBuf::from(word))
        })
        .collect()
}
