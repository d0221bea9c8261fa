//! How much one stage may say: lines that use what earlier lines said double with each.

/// More than anybody sets.
const MOST: usize = 10_000;
/// Far more than a program can be started with: execve(2), "Limits on size of arguments
/// and environment".
const MOST_BYTES: usize = 4 << 20;

/// Refuses names with values that are too many, or too much together. `what` are `labels`.
pub(super) fn check<N, V>(what: &str, all: impl IntoIterator<Item = (N, V)>) -> Result<(), String>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let (mut count, mut bytes) = (0, 0);
    for (name, value) in all {
        count += 1;
        bytes += name.as_ref().len() + value.as_ref().len();
        if count > MOST {
            return Err(format!("these are more than {MOST} {what}; take some away"));
        }
        if bytes > MOST_BYTES {
            return Err(format!(
                "the {what} are longer than {} MiB together; make them shorter",
                MOST_BYTES >> 20
            ));
        }
    }
    Ok(())
}
