use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Registry {
    /// Imports the logins of a Docker `config.json`; works while the server is running
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Docker configuration file, usually `~/.docker/config.json`
    file: PathBuf,
    #[arg(long, env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    #[arg(long, env = "GANTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

impl Registry {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Import(import) = self;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(import.run())
    }
}

impl Import {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let json = std::fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?;
        let data_dir = crate::config::data_dir(self.config.as_deref(), self.data_dir)?;
        let file = data_dir.join("gantry.db");
        if !file.exists() {
            bail!("there is no database at {}; start the server first", file.display());
        }
        let database = store::Database::open(&file)
            .await
            .with_context(|| format!("cannot open {}", file.display()))?;
        let taken = engine::import_registries(&database, &data_dir, &json).await;
        database.close().await;
        for registry in taken? {
            println!("{} as {}", registry.host, registry.username.unwrap_or_default());
        }
        Ok(ExitCode::SUCCESS)
    }
}
