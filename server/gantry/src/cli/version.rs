use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

impl Version {
    pub(crate) fn run(self) -> ExitCode {
        let version = env!("CARGO_PKG_VERSION");
        let commit = option_env!("GANTRY_COMMIT");
        let (oldest, newest) = api::docker::spoken();
        if self.json {
            let facts = serde_json::json!({
                "version": version,
                "commit": commit,
                "native_api": "v1",
                "docker_api": { "oldest": oldest, "newest": newest },
            });
            println!("{facts}");
        } else {
            println!("gantry {version} ({})", commit.unwrap_or("commit unknown"));
            println!("native API v1, Docker API {oldest} to {newest}");
        }
        ExitCode::SUCCESS
    }
}
