//! Huge pages. kernel, cgroup-v1/hugetlb.rst; cgroup-v2.rst, "HugeTLB Interface Files"

use crate::change::Step;
use crate::error::CgroupError;
use crate::hierarchy::Version;
use model::container::limits::Hugepages;

const SETTING: &str = "a limit on huge pages of this size";

/// Two files a size: what is used, and, since Linux 5.7, what is reserved for use. Without
/// the second a process that reserves more dies only when it uses them.
pub(crate) fn steps(asked: &[Hugepages], version: Version) -> Result<Vec<Step>, CgroupError> {
    let end = match version {
        Version::V1 => "limit_in_bytes",
        Version::V2 => "max",
    };
    let mut steps = Vec::new();
    for one in asked {
        if !is_page_size(&one.page_size) {
            return Err(CgroupError::PageSize {
                asked: one.page_size.clone(),
            });
        }
        let value = one.bytes.to_string();
        let name = format!("hugetlb.{}", one.page_size);
        steps.push(Step::new(format!("{name}.{end}"), &value, SETTING));
        steps.push(Step::new(format!("{name}.rsvd.{end}"), &value, SETTING).skipped_if_missing());
    }
    Ok(steps)
}

/// `64KB`, `2MB`, `1GB`: a part of a file's name.
fn is_page_size(text: &str) -> bool {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|number| {
        !number.is_empty() && !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_of_a_size_are_written() {
        let asked = [Hugepages {
            page_size: "2MB".into(),
            bytes: 1 << 22,
        }];
        let names = |version| {
            let steps = steps(&asked, version).unwrap();
            steps.into_iter().map(|step| step.file).collect::<Vec<_>>()
        };
        assert_eq!(
            names(Version::V1),
            ["hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.rsvd.limit_in_bytes"]
        );
        assert_eq!(names(Version::V2), ["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"]);
    }

    #[test]
    fn a_size_is_not_a_way_to_another_file() {
        for page_size in ["", "2", "MB", "../2MB", "02MB", "2mb", "2MB/../x"] {
            let asked = [Hugepages {
                page_size: page_size.into(),
                bytes: 0,
            }];
            assert!(steps(&asked, Version::V2).is_err(), "{page_size}");
        }
    }
}
