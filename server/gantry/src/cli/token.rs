use access::{Access, NewToken, Role};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Creates a token and prints it as the last line
    Create(Create),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// User who owns the token
    #[arg(long)]
    user: String,
    /// Role: `admin`, `operator` or `viewer`; at most the role of the user
    #[arg(long, default_value = "admin")]
    role: String,
    /// Name of the token
    #[arg(long, default_value = "made on the host")]
    name: String,
    /// Days until the token expires; without it, the token does not expire
    #[arg(long)]
    days: Option<u32>,
    #[arg(long, env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    #[arg(long, env = "GANTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

impl Token {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Create(create) = self;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(create.run())
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let data_dir = crate::config::data_dir(self.config.as_deref(), self.data_dir)?;
        let file = data_dir.join("gantry.db");
        if !file.exists() {
            bail!("there is no database at {}; start the server first", file.display());
        }
        let database = store::Database::open(&file)
            .await
            .with_context(|| format!("cannot open {}", file.display()))?;
        let role = Role::parse(&self.role).ok_or(access::AccessError::UnknownRole(self.role))?;
        let new = NewToken {
            name: self.name,
            role,
            lifetime: self.days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        };
        let made = Access::new(database.clone())
            .create_token(&self.user, new, api::now())
            .await;
        database.close().await;
        let (_, secret) = made?;
        println!("{}", secret.reveal());
        Ok(ExitCode::SUCCESS)
    }
}
