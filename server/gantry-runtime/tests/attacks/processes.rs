//! The runtime's own processes, while they are in a container or on their way.

use crate::bundle::Bundle;
use crate::hostile::{hostile, set_args};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A copy of the program, so that a hole spoils nothing else.
fn own_program(bundle: &Bundle) -> std::path::PathBuf {
    let program = bundle.beside("gantry-runtime");
    fs::copy(env!("CARGO_BIN_EXE_gantry-runtime"), &program).unwrap();
    program
}

fn with(program: &Path, plain: &Command) -> Output {
    let mut command = Command::new(program);
    command.args(plain.get_args()).stdin(Stdio::null());
    command.output().unwrap()
}

/// What a program that is not static needs to begin: the image may bring it, and in it
/// code of its own.
fn give_libraries(bundle: &Bundle, program: &Path) {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let inside = bundle.rootfs().join(library.trim_start_matches('/'));
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        fs::copy(library, inside).unwrap();
    }
}

/// CVE-2019-5736: an image whose command is `/proc/self/exe`, or a script run by it,
/// makes the runtime's own program run inside, where a process of the container opens it
/// and writes to it as soon as it has ended: the next start of any container then runs
/// the attacker's code as root of the host.
#[test]
fn the_runtimes_program_cannot_be_overwritten() {
    let Some(bundle) = hostile("exec attacker overwrite") else {
        return;
    };
    let program = own_program(&bundle);
    let before = fs::read(&program).unwrap();
    give_libraries(&bundle, &program);
    let script = bundle.rootfs().join("bin/target");
    fs::write(&script, "#!/proc/self/exe state\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let log = fs::File::create(bundle.beside("output")).unwrap();
    let started = Command::new(&program)
        .args(bundle.command(&["run", "-d", "-b"]).get_args())
        .arg(bundle.path())
        .arg(&bundle.id)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .status()
        .unwrap();
    assert!(started.success(), "{}", bundle.output());
    bundle.until("it looks", |bundle| bundle.output().contains("looking"));
    // The program is met while it runs in the container as the image's command.
    for round in 0..200 {
        for args in [["/bin/target", "x"], ["/proc/self/exe", "list"]] {
            let o = with(&program, bundle.command(&["exec", &bundle.id]).args(args));
            if round == 0 {
                println!("{o:?}");
            }
        }
        if round >= 20 && bundle.output().matches("refused").count() >= 3 {
            break;
        }
    }
    let said = bundle.output();
    assert!(said.contains("held"), "the attacker never met the program: {said}");
    assert!(
        !said.contains("WRITTEN") && !said.contains("opened for writing"),
        "{said}"
    );
    assert!(
        fs::read(&program).unwrap() == before,
        "the program on disk is another one"
    );
}

/// The same, where the image's first command is the runtime itself.
#[test]
fn an_image_whose_command_is_the_runtime_gets_nowhere() {
    let Some(bundle) = hostile("") else { return };
    let program = own_program(&bundle);
    give_libraries(&bundle, &program);
    let before = fs::read(&program).unwrap();
    for args in [
        &["/proc/self/exe", "spec"][..],
        &["/proc/self/exe", "init"],
        &["/proc/1/exe", "list"],
    ] {
        set_args(&bundle, args);
        with(&program, &bundle.run_command());
        assert!(fs::read(&program).unwrap() == before, "{args:?}");
    }
}

/// CVE-2016-9962 and the like: a process that enters the container holds descriptors and
/// rights of the host until it has become the command. It may neither be traced nor
/// looked into, by `ptrace`, `pidfd_getfd` or `/proc`, though ptrace itself is allowed.
#[test]
fn what_enters_a_container_cannot_be_looked_into() {
    let Some(bundle) = hostile("exec attacker spy") else {
        return;
    };
    bundle.run_detached();
    bundle.until("it looks", |bundle| bundle.output().contains("looking"));
    for round in 0..300 {
        let ran = bundle.exec("true");
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        if round >= 50 && bundle.output().matches("met").count() >= 20 {
            break;
        }
    }
    let said = bundle.output();
    assert!(said.contains("met"), "the attacker never met one: {said}");
    for reached in ["SEEN", "OPENED", "TRACED", "TOOK"] {
        assert!(!said.contains(reached), "{said}");
    }
}
