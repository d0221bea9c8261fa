//! From the first log line to the last: start, serve, end.

use crate::config::Config;
use crate::rootless::Rootless;
use crate::{embedded, wire};
use access::Access;
use anyhow::Context as _;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What open connections get to end by themselves.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn serve(
    config: Config,
    rootless: Option<Rootless>,
    stop_containers: bool,
    forget_everything: bool,
) -> anyhow::Result<()> {
    log(&config)?;
    if let Err(error) = sys::descriptors::raise_limit() {
        tracing::warn!(%error, "cannot have more open files than {}", sys::descriptors::limit());
    }
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_keep_alive(Duration::from_secs(5))
        .enable_all()
        .build()?
        .block_on(run(config, rootless, stop_containers, forget_everything))
}

/// The server's own log goes to standard error; standard output is for one line.
fn log(config: &Config) -> anyhow::Result<()> {
    use tracing_subscriber::EnvFilter;
    let filter =
        EnvFilter::try_new(&config.log_level).with_context(|| format!("`{}` is no log level", config.log_level))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if config.log_as_json {
        log.json().init();
    } else {
        log.with_ansi(false).init();
    }
    Ok(())
}

async fn run(
    config: Config,
    rootless: Option<Rootless>,
    stop_containers: bool,
    forget_everything: bool,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = wire::listen(config.listen).await?;
    let address = listener.local_addr()?;
    let network = rootless.as_ref().map(Rootless::network);
    let engine = wire::open_engine(&config, network, forget_everything).await?;
    let opened = async {
        let docker = config.docker_socket.as_ref().map(wire::listen_docker).transpose()?;
        let access = Access::new(engine.database().clone());
        let code = wire::first_user(&access, config.admin_password_file.as_deref()).await?;
        anyhow::Ok((docker, access, code))
    };
    let (docker, access, code) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            engine.shutdown(false).await;
            return Err(error);
        }
    };
    if let Some(code) = &code {
        eprintln!("Make the first user at http://{address}/setup?code={code}");
    }
    let stop = CancellationToken::new();
    let doors = TaskTracker::new();
    // Of the descriptors the native API has half at most, this one a quarter, and containers the rest.
    let max_docker = (sys::descriptors::limit() / 4).clamp(16, 4096);
    if let Some(listener) = docker {
        let (engine, stop) = (engine.clone(), stop.clone());
        doors.spawn(async move { api::docker::serve(listener, engine, max_docker, stop).await });
    }
    let front = api::native::Front::new(api::native::Parts {
        engine: engine.clone(),
        access,
        setup_code: code,
        panel: embedded::panel_file,
        listens_on: address,
        allowed_hosts: config.allowed_hosts.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        // The rest of the descriptors is for containers.
        most_connections: sys::descriptors::limit().midpoint(0).clamp(64, 8192),
        stop: stop.clone(),
        check: {
            let data_dir = config.data_dir.clone();
            std::sync::Arc::new(move || host_check(data_dir.clone()))
        },
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("GANTRY_COMMIT"),
    });
    doors.spawn({
        let stop = stop.clone();
        async move { api::native::serve(listener, front, stop).await }
    });
    doors.close();
    println!("ready http://{address}");
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "cannot tell systemd that the server is ready");
    }
    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to end by SIGTERM"),
        _ = interrupt.recv() => tracing::info!("asked to end by SIGINT"),
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    if tokio::time::timeout(CONNECTION_PATIENCE, doors.wait()).await.is_err() {
        tracing::info!("some connections did not end in time and are cut");
    }
    let nothing_runs = engine.shutdown(stop_containers).await;
    if nothing_runs && let Some(rootless) = rootless {
        rootless.end();
    }
    if let Some(path) = &config.docker_socket {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// The host check, in the words of the native API.
fn host_check(data_dir: std::path::PathBuf) -> shared::system::Check {
    use shared::system::{CheckItem, Outcome};
    let report = check::run(&check::Options {
        data_dir: Some(data_dir),
    });
    shared::system::Check {
        usable: report.can_run_containers(),
        items: report
            .items
            .into_iter()
            .map(|item| {
                let required = item.need == check::Need::Required;
                CheckItem {
                    group: item.group.title().to_owned(),
                    name: item.title.to_owned(),
                    required,
                    outcome: match item.verdict {
                        check::Verdict::Ok => Outcome::Pass,
                        check::Verdict::Missing if required => Outcome::Fail,
                        check::Verdict::Missing | check::Verdict::Unknown => Outcome::Warn,
                    },
                    found: item.found,
                    purpose: item.purpose.to_owned(),
                    remedy: item.remedy,
                }
            })
            .collect(),
    }
}
