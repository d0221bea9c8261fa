//! Huge pages: the files of v1 with other endings.

pub(crate) use crate::v1::hugetlb::steps;
