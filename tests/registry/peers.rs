//! Images of the other tools run here, and ours run there. Needs those tools:
//! `cargo xtask test-image-peers` brings them and sets `IMAGE_PEERS`.

use super::{host, load, pull, push};
use harness::Image;
use shared::create::NewContainer;
use shared::task::TaskState;
use std::path::Path;
use std::process::Command;

/// Lines of a shell; what they print.
fn shell(dir: &Path, registry: &str, lines: &str) -> String {
    let done = Command::new("sh")
        .args(["-euc", lines])
        .env("DIR", dir)
        .env("REGISTRY", registry)
        .env(
            "STORAGE",
            format!("--root {0}/store --runroot {0}/run --storage-driver vfs", dir.display()),
        )
        .env("CGROUP_PARENT", std::env::var("CGROUP_PARENT").unwrap_or_default())
        // crun refuses some hosts' hybrid cgroups.
        .env("RUNC", std::env::var("RUNC").unwrap_or_default())
        .env("DOCKER", std::env::var("DOCKER_CLI").unwrap_or_default())
        .env(
            "DOCKER_HOST",
            format!("unix://{}", std::env::var("DOCKER_PEER").unwrap_or_default()),
        )
        .env("DOCKER_CONFIG", dir)
        .current_dir(dir)
        .output()
        .expect("sh(1)");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{lines}\n{errors}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

const BUILDAH: &str = r#"
    made=$(buildah $STORAGE from scratch)
    buildah $STORAGE copy -q $made /bin/busybox /bin/busybox
    buildah $STORAGE config --cmd '["/bin/busybox","echo","made by buildah"]' $made
    buildah $STORAGE commit -q --tls-verify=false $made docker://$REGISTRY/made/buildah:1"#;
const PODMAN: &str = r#"
    podman $STORAGE import -q --change 'CMD ["/bin/sh","-c","echo made by podman"]' root.tar $REGISTRY/made/podman:1
    podman $STORAGE push -q --tls-verify=false $REGISTRY/made/podman:1"#;
const UMOCI: &str = r"
    umoci init --layout umoci
    umoci new --image umoci:1
    umoci unpack --image umoci:1 bundle
    mkdir -p bundle/rootfs/bin
    cp /bin/busybox bundle/rootfs/bin/
    umoci repack --image umoci:1 bundle
    umoci config --image umoci:1 --config.cmd /bin/busybox --config.cmd echo --config.cmd 'made by umoci'
    skopeo copy -q --dest-tls-verify=false oci:umoci:1 docker://$REGISTRY/made/umoci:1";
const DOCKER: &str = r#"
    "$DOCKER" import --change 'CMD ["/bin/sh","-c","echo made by docker"]' root.tar $REGISTRY/made/docker:1
    "$DOCKER" push -q $REGISTRY/made/docker:1"#;

#[tokio::test]
async fn images_run_wherever_they_were_made() {
    if std::env::var_os("IMAGE_PEERS").is_none() {
        println!("skipped: needs IMAGE_PEERS, which `cargo xtask test-image-peers` sets");
        return;
    }
    let Some((host, api, registry)) = host(false).await else {
        return;
    };
    let dir = host.dir().join("peers");
    std::fs::create_dir(&dir).expect("a writable directory");
    std::fs::write(dir.join("root.tar"), Image::busybox().root_tar()).expect("a writable directory");
    std::fs::write(dir.join("config.json"), "{}").expect("a writable directory");
    let address = registry.address();
    for (tool, lines) in [
        ("buildah", BUILDAH),
        ("podman", PODMAN),
        ("umoci", UMOCI),
        ("docker", DOCKER),
    ] {
        shell(&dir, address, lines);
        let name = format!("{address}/made/{tool}:1");
        let pulled = pull(&api, &name).await;
        assert_eq!(pulled.state, TaskState::Done, "{tool}: {pulled:?}");
        let new = NewContainer {
            image: name,
            name: Some(tool.to_owned()),
            start: true,
            ..NewContainer::default()
        };
        api.create(&new).await.expect("it runs");
        assert_eq!(api.wait(tool).await.exit_code, 0, "{tool}");
        assert_eq!(api.log(tool).await, format!("made by {tool}\n"));
        println!("an image made by {tool} is pulled and runs");
    }
    let ours = Image::busybox()
        .with_files(&[("etc/motd", b"made by us\n")])
        .command(&["cat", "/etc/motd"]);
    load(&api, &ours, "ours:1").await;
    let name = format!("{address}/ours:1");
    let pushed = push(&api, "ours:1", &name).await;
    assert_eq!(pushed.state, TaskState::Done, "{pushed:?}");
    let image: shared::image::Details = api.get("/images/ours:1").await.expect("it is here");
    let digest = shell(
        &dir,
        address,
        "skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://$REGISTRY/ours:1",
    );
    assert_eq!(digest, image.spec.manifest, "skopeo sees what we pushed");
    let podman = "podman $STORAGE --cgroup-manager cgroupfs --runtime \"$RUNC\" run -q --rm --cgroup-parent \"$CGROUP_PARENT\" --tls-verify=false --network none $REGISTRY/ours:1";
    assert_eq!(shell(&dir, address, podman), "made by us");
    let docker = "\"$DOCKER\" run --rm --network none $REGISTRY/ours:1";
    assert_eq!(shell(&dir, address, docker), "made by us");
    println!("an image pushed by us runs in podman and in docker, and skopeo agrees with its digest");
}
