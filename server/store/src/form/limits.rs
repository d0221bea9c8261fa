use model::container::limits::{Ceiling, Cpu, DeviceAmount, Io, Limits, Memory};
use serde::{Deserialize, Serialize};

/// A ceiling that was asked for: a number, or `null` for explicitly none. An
/// absent field was never asked for.
type CeilingForm = Option<u64>;

#[derive(Serialize, Deserialize)]
pub(crate) struct Form {
    memory: MemoryForm,
    cpu: CpuForm,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    pids: Option<CeilingForm>,
    io: IoForm,
    unified: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct MemoryForm {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    limit: Option<CeilingForm>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    memory_and_swap: Option<CeilingForm>,
    reservation_bytes: Option<u64>,
    swappiness: Option<u8>,
    oom_kill_disabled: bool,
}

#[derive(Serialize, Deserialize)]
struct CpuForm {
    shares: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    quota: Option<CeilingForm>,
    period_us: Option<u64>,
    burst_us: Option<u64>,
    cpus: Option<String>,
    mems: Option<String>,
    idle: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct IoForm {
    weight: Option<u16>,
    weight_device: Vec<AmountForm>,
    read_bps: Vec<AmountForm>,
    write_bps: Vec<AmountForm>,
    read_iops: Vec<AmountForm>,
    write_iops: Vec<AmountForm>,
}

/// Major, minor, amount.
type AmountForm = (u32, u32, u64);

/// Tells an absent field from one that is `null`.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(
        clippy::ref_option,
        clippy::option_option,
        reason = "serde's signature; absent, null and a number are three things"
    )]
    pub(super) fn serialize<S: Serializer>(value: &Option<Option<u64>>, serializer: S) -> Result<S::Ok, S::Error> {
        value.flatten().serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "absent, null and a number are three things")]
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
        Option::<u64>::deserialize(deserializer).map(Some)
    }
}

fn ceiling(ceiling: Ceiling) -> CeilingForm {
    match ceiling {
        Ceiling::Unlimited => None,
        Ceiling::At(amount) => Some(amount),
    }
}

fn asked(form: CeilingForm) -> Ceiling {
    form.map_or(Ceiling::Unlimited, Ceiling::At)
}

fn amounts(amounts: Vec<DeviceAmount>) -> Vec<AmountForm> {
    amounts.into_iter().map(|a| (a.major, a.minor, a.amount)).collect()
}

fn devices(forms: Vec<AmountForm>) -> Vec<DeviceAmount> {
    forms
        .into_iter()
        .map(|(major, minor, amount)| DeviceAmount { major, minor, amount })
        .collect()
}

impl From<Limits> for Form {
    fn from(
        Limits {
            memory,
            cpu,
            pids,
            io,
            unified,
        }: Limits,
    ) -> Self {
        Self {
            memory: MemoryForm {
                limit: memory.limit.map(ceiling),
                memory_and_swap: memory.memory_and_swap.map(ceiling),
                reservation_bytes: memory.reservation_bytes,
                swappiness: memory.swappiness,
                oom_kill_disabled: memory.oom_kill_disabled,
            },
            cpu: CpuForm {
                shares: cpu.shares,
                quota: cpu.quota.map(ceiling),
                period_us: cpu.period_us,
                burst_us: cpu.burst_us,
                cpus: cpu.cpus,
                mems: cpu.mems,
                idle: cpu.idle,
            },
            pids: pids.map(ceiling),
            io: IoForm {
                weight: io.weight,
                weight_device: amounts(io.weight_device),
                read_bps: amounts(io.read_bps),
                write_bps: amounts(io.write_bps),
                read_iops: amounts(io.read_iops),
                write_iops: amounts(io.write_iops),
            },
            unified,
        }
    }
}

impl From<Form> for Limits {
    fn from(
        Form {
            memory,
            cpu,
            pids,
            io,
            unified,
        }: Form,
    ) -> Self {
        Self {
            memory: Memory {
                limit: memory.limit.map(asked),
                memory_and_swap: memory.memory_and_swap.map(asked),
                reservation_bytes: memory.reservation_bytes,
                swappiness: memory.swappiness,
                oom_kill_disabled: memory.oom_kill_disabled,
            },
            cpu: Cpu {
                shares: cpu.shares,
                quota: cpu.quota.map(asked),
                period_us: cpu.period_us,
                burst_us: cpu.burst_us,
                cpus: cpu.cpus,
                mems: cpu.mems,
                idle: cpu.idle,
            },
            pids: pids.map(asked),
            io: Io {
                weight: io.weight,
                weight_device: devices(io.weight_device),
                read_bps: devices(io.read_bps),
                write_bps: devices(io.write_bps),
                read_iops: devices(io.read_iops),
                write_iops: devices(io.write_iops),
            },
            unified,
        }
    }
}
