//! A build from its context to its image.

use super::bases::{self, BaseImage};
use super::board::{Board, BuildStep, StepState};
use super::context;
use super::failure::Failure;
use super::finish;
use super::log::LineStream;
use super::request::{FileChoice, NewBuild};
use super::stage::{Ends, Ground, StageEnd, StageRun, end_of};
use super::{cache, settings};
use crate::blocking::blocking;
use crate::engine::Engine;
use crate::error::{Doing as _, EngineError};
use crate::tasks::LoadedImage;
use build::{Arguments, Base, Dockerfile, Inputs, Planned, Platform, State, plan, platform_arguments};
use image::document::Document;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncRead;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// A build under way.
pub(super) struct Solve {
    pub(super) engine: Engine,
    pub(super) request: NewBuild,
    pub(super) board: Board,
    pub(super) cancel: CancellationToken,
    pub(super) work: PathBuf,
}

impl Solve {
    pub(super) async fn run<R>(self, context: Option<R>) -> Result<LoadedImage, Failure>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let _lease = self.engine.inner.leases.hold().await;
        let dir = self.work.join("context");
        self.receive(context, dir.clone()).await?;
        let file = self.read_file(&dir).await?;
        if let Some(syntax) = &file.directives.syntax {
            self.board.note(
                None,
                format!("`syntax={syntax}` is passed over: the file is read by this builder itself"),
            );
        }
        let target = self.platform()?;
        let arguments = Arguments::new(
            self.request.arguments.clone(),
            platform_arguments(
                &platform_of(&image::Platform::own()),
                &platform_of(&target),
                self.request.target.as_deref().unwrap_or("default"),
            ),
        );
        let (last, stages, bases) = self.plan(&file, &arguments, &target).await?;
        let ground = Arc::new(Ground {
            images: self.other_images(&stages, &target).await?,
            epoch_s: self.epoch()?,
            platform: target.to_string(),
            context: dir,
            work: self.work.clone(),
            engine: self.engine.inner.clone(),
            board: self.board.clone(),
            cancel: self.cancel.child_token(),
            slots: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from).max(2)),
            used: Mutex::default(),
            next_dir: AtomicU64::new(0),
            request: self.request,
            file,
        });
        let arguments = ground
            .file
            .arguments(&arguments)
            .map_err(|mistake| mistake_in(&ground.request, &mistake))?;
        let end = run_stages(&ground, stages, &bases, &arguments, &target, last).await?;
        let used = std::mem::take(&mut *ground.used.lock().unwrap_or_else(PoisonError::into_inner));
        cache::touch(&ground.engine, &used).await?;
        finish::image(&ground, &end).await
    }

    /// Nothing is an empty context.
    async fn receive<R>(&self, context: Option<R>, dir: PathBuf) -> Result<(), Failure>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let cancel = self.cancel.clone();
        let received = blocking("receive a context", move || {
            std::fs::create_dir_all(&dir).doing(|| format!("make the directory `{}`", dir.display()))?;
            Ok(match context {
                Some(context) => context::receive(SyncIoBridge::new(context), &dir, &cancel),
                None => Ok(()),
            })
        });
        tokio::select! {
            received = received => received?,
            // Whoever sends may have fallen silent.
            () = self.cancel.cancelled() => Err(Failure::Cancelled),
        }
    }

    /// Reads the Dockerfile, and takes what it says is left out of the context away.
    async fn read_file(&self, dir: &std::path::Path) -> Result<Dockerfile, Failure> {
        let (dir, choice) = (dir.to_owned(), self.request.file.clone());
        let text = blocking("read a Dockerfile", move || Ok(read_file(&dir, &choice))).await??;
        self.board.change(|build| build.dockerfile.clone_from(&text));
        let file = Dockerfile::parse(&text).map_err(|mistake| mistake_in(&self.request, &mistake))?;
        self.board.change(|build| {
            let warnings = file
                .warnings
                .iter()
                .map(|warning| (warning.line, warning.message.clone()));
            build.warnings = warnings.collect();
        });
        Ok(file)
    }

    fn platform(&self) -> Result<image::Platform, Failure> {
        match self.request.platform.as_deref() {
            None | Some("") => Ok(image::Platform::own()),
            Some(text) => parse_platform(text),
        }
    }

    fn epoch(&self) -> Result<Option<i64>, Failure> {
        match self.request.arguments.get(EPOCH) {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Failure::mistake(format!("`{EPOCH}` is seconds since 1970, not `{text}`"))),
        }
    }

    /// What is needed, and the images it begins with. Their triggers may need more.
    async fn plan(
        &self,
        file: &Dockerfile,
        arguments: &Arguments,
        target: &image::Platform,
    ) -> Result<(usize, Vec<Planned>, HashMap<usize, BaseImage>), Failure> {
        let mut bases = HashMap::new();
        let mut triggers = BTreeMap::new();
        loop {
            let inputs = Inputs {
                arguments,
                target: self.request.target.as_deref(),
                triggers: &triggers,
            };
            let (last, stages, warnings) =
                plan(file, &inputs).map_err(|mistake| mistake_in(&self.request, &mistake))?;
            let missing: Vec<&Planned> = stages
                .iter()
                .filter(|stage| matches!(stage.base, Base::Image { .. }) && !bases.contains_key(&stage.index))
                .collect();
            if missing.is_empty() {
                self.show(file, &stages, warnings);
                return Ok((last, stages, bases));
            }
            for stage in missing {
                let Base::Image { name, platform } = &stage.base else {
                    continue;
                };
                let platform = match platform {
                    Some(text) => parse_platform(text)?,
                    None => target.clone(),
                };
                let brought =
                    bases::bring(&self.engine, &self.request, name, &platform, &self.board, &self.cancel).await;
                let line = file.stages[stage.index].line;
                let image = brought.map_err(|failure| failure.at(self.request.file.name(), line, "FROM"))?;
                triggers.insert(stage.index, image.document.config.on_build.clone());
                bases.insert(stage.index, image);
            }
        }
    }

    /// Puts all steps on the board.
    fn show(&self, file: &Dockerfile, stages: &[Planned], warnings: Vec<build::Warning>) {
        self.board.change(|build| {
            build
                .warnings
                .extend(warnings.into_iter().map(|warning| (warning.line, warning.message)));
            for stage in stages {
                let of_file = &file.stages[stage.index];
                let name = of_file.from.name.clone().unwrap_or_else(|| stage.index.to_string());
                let step = |keyword: &str, text: &str, first_line, last_line| BuildStep {
                    stage: name.clone(),
                    keyword: keyword.to_owned(),
                    text: text.to_owned(),
                    first_line,
                    last_line,
                    state: StepState::Waiting,
                    started: None,
                    ended: None,
                    error: None,
                    layer: None,
                    exit_code: None,
                };
                build
                    .steps
                    .push(step("FROM", &of_file.text, of_file.line, of_file.line));
                let own = stage.steps.iter();
                build
                    .steps
                    .extend(own.map(|one| step(one.keyword, &one.text, one.first_line, one.last_line)));
            }
        });
    }

    /// Images that files are taken from.
    async fn other_images(
        &self,
        stages: &[Planned],
        target: &image::Platform,
    ) -> Result<HashMap<String, Vec<image::Layer>>, Failure> {
        let mut images = HashMap::new();
        for name in stages.iter().flat_map(|stage| &stage.images) {
            if !images.contains_key(name) {
                let image = bases::bring(&self.engine, &self.request, name, target, &self.board, &self.cancel).await?;
                images.insert(name.clone(), image.layers);
            }
        }
        Ok(images)
    }
}

fn read_file(dir: &std::path::Path, choice: &FileChoice) -> Result<String, Failure> {
    let (path, text) = match choice {
        FileChoice::Text(text) => (None, text.clone()),
        FileChoice::InContext(path) => {
            let path = build::clean(path);
            let text = context::read_text(dir, &path)?.ok_or_else(|| {
                Failure::mistake(format!(
                    "the context has no file `{path}`; name the Dockerfile, or put it there"
                ))
            })?;
            (Some(path), text)
        }
    };
    for name in context::ignore_files(path.as_deref()) {
        if let Some(text) = context::read_text(dir, &name)? {
            let ignore = build::Ignore::parse(&text).map_err(|mistake| Failure::Mistake(mistake.in_file(&name)))?;
            context::leave_out(dir, &ignore)?;
            break;
        }
    }
    Ok(text)
}

fn mistake_in(request: &NewBuild, mistake: &build::Mistake) -> Failure {
    Failure::Mistake(mistake.in_file(request.file.name()))
}

fn parse_platform(text: &str) -> Result<image::Platform, Failure> {
    image::Platform::parse(text)
        .ok_or_else(|| Failure::mistake(format!("`{text}` is no platform such as `linux/arm64`")))
}

fn platform_of(platform: &image::Platform) -> Platform {
    Platform {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
    }
}

/// All stages at once, each waiting for those it needs.
async fn run_stages(
    ground: &Arc<Ground>,
    stages: Vec<Planned>,
    bases: &HashMap<usize, BaseImage>,
    arguments: &Arguments,
    target: &image::Platform,
    last: usize,
) -> Result<Arc<StageEnd>, Failure> {
    let mut ends = Ends::new();
    let mut senders = HashMap::new();
    for stage in &stages {
        let (sender, receiver) = watch::channel(None);
        senders.insert(stage.index, sender);
        ends.insert(stage.index, receiver);
    }
    let ends = Arc::new(ends);
    let mut running = JoinSet::new();
    let mut first = 0;
    for stage in stages {
        let place = first;
        first += 1 + stage.steps.len();
        let Some(sender) = senders.remove(&stage.index) else {
            continue;
        };
        let start = match &stage.base {
            Base::Stage(below) => Err(*below),
            Base::Scratch => Ok(start_of(&empty(target), Vec::new(), ground, arguments)),
            Base::Image { .. } => match bases.get(&stage.index) {
                Some(base) => Ok(start_of(&base.document, base.layers.clone(), ground, arguments)),
                None => continue,
            },
        };
        let (ground, ends) = (ground.clone(), ends.clone());
        running.spawn(async move {
            let outcome = run_stage(ground.clone(), ends, stage, place, start).await;
            match outcome {
                Ok(end) => {
                    let _ = sender.send(Some(Arc::new(end)));
                    Ok(())
                }
                Err(failure) => {
                    ground.cancel.cancel();
                    Err(failure)
                }
            }
        });
    }
    let mut failed: Option<Failure> = None;
    while let Some(ended) = running.join_next().await {
        let failure = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(failure)) => failure,
            Err(error) => Failure::Engine(EngineError::Conflict(format!("a stage broke off: {error}"))),
        };
        // The first to fail cancels the others, which then say no more than that.
        if failed.as_ref().is_none_or(|known| matches!(known, Failure::Cancelled)) {
            failed = Some(failure);
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None => end_of(&ends, last, &ground.cancel).await,
    }
}

async fn run_stage(
    ground: Arc<Ground>,
    ends: Arc<Ends>,
    stage: Planned,
    place: usize,
    start: Result<StageEnd, usize>,
) -> Result<StageEnd, Failure> {
    let at = match start {
        Ok(start) => start,
        Err(below) => {
            let below = end_of(&ends, below, &ground.cancel).await?;
            StageEnd {
                state: below.state.child(),
                ..(*below).clone()
            }
        }
    };
    ground.board.step_ends(place, StepState::Done, None);
    let run = StageRun {
        ground,
        index: stage.index,
        steps: stage.steps,
        first: place + 1,
        ends,
        at,
    };
    run.run().await
}

fn start_of(document: &Document, layers: Vec<image::Layer>, ground: &Ground, arguments: &Arguments) -> StageEnd {
    let created = document.created.as_deref().and_then(model::Timestamp::parse_rfc3339);
    StageEnd {
        state: State::new(
            settings::of_document(document),
            arguments.clone(),
            ground.file.directives.escape,
        ),
        layers,
        document: document.to_build_on(),
        created,
    }
}

/// What `scratch` is.
fn empty(target: &image::Platform) -> Document {
    Document {
        architecture: target.architecture.clone(),
        os: target.os.clone(),
        variant: (!target.variant.is_empty()).then(|| target.variant.clone()),
        ..Document::default()
    }
}

/// Tells the end in the log, too.
pub(super) fn tell_end(board: &Board, outcome: &Result<LoadedImage, Failure>) {
    match outcome {
        Ok(image) => board.note(None, format!("built {}", image.id)),
        Err(failure) => board.line(None, LineStream::Stderr, &failure.message()),
    }
}
