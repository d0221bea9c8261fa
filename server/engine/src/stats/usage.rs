//! A thread that keeps the files of every running container's cgroups open, with
//! descriptors of its own: a thousand containers have eighteen thousand such files, and
//! every start of a shim would copy and close them all.

use model::container::ContainerId;
use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

/// One run of a container, and its group.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: ContainerId,
    pub(super) number: u64,
    pub(super) group: cgroup::Group,
}

/// Asks the thread, which ends with this.
#[derive(Debug)]
pub(super) struct UsageReader {
    ask: Sender<Question>,
}

#[derive(Debug)]
struct Question {
    runs: Vec<Run>,
    answer: Sender<HashMap<ContainerId, cgroup::Usage>>,
}

impl UsageReader {
    pub(super) fn start() -> io::Result<Self> {
        let (ask, questions) = channel();
        sys::descriptors::spawn_apart("usage", move || answer_all(&questions))?;
        Ok(Self { ask })
    }

    /// The usage of those that are still there; `None` when the thread is not. Blocks.
    pub(super) fn read(&self, runs: Vec<Run>) -> Option<HashMap<ContainerId, cgroup::Usage>> {
        let (answer, usages) = channel();
        self.ask.send(Question { runs, answer }).ok()?;
        usages.recv().ok()
    }
}

fn answer_all(questions: &Receiver<Question>) {
    let mut files = Files {
        kept: HashMap::new(),
        most: sys::descriptors::limit() / (cgroup::Sampler::MOST_DESCRIPTORS + 1),
    };
    while let Ok(Question { runs, answer }) = questions.recv() {
        let current: HashMap<&ContainerId, u64> = runs.iter().map(|run| (&run.id, run.number)).collect();
        files.kept.retain(|id, (run, _)| current.get(id) == Some(run));
        let usages = runs.iter().filter_map(|run| {
            let usage = files.read(run)?;
            Some((run.id.clone(), usage))
        });
        // Nobody waits when the server ends.
        let _ = answer.send(usages.collect());
    }
}

struct Files {
    kept: HashMap<ContainerId, (u64, cgroup::Sampler)>,
    /// Those of further containers are opened for each reading.
    most: usize,
}

impl Files {
    /// `None` when it ended in this moment.
    fn read(&mut self, run: &Run) -> Option<cgroup::Usage> {
        if let Some((_, sampler)) = self.kept.get_mut(&run.id) {
            return sampler.sample().ok();
        }
        let mut sampler = run.group.sampler().ok()?;
        let usage = sampler.sample().ok();
        if self.kept.len() < self.most {
            self.kept.insert(run.id.clone(), (run.number, sampler));
        }
        usage
    }
}
