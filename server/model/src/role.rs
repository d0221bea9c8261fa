//! What users and tokens may do.

/// The role of a user or a token; each includes those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See containers, images, logs and charts.
    Read,
    /// Create, start, stop, change and remove them; open consoles.
    Operate,
    /// Users, and containers that open the host: see [`crate::container::host_access`].
    Administer,
}

impl Role {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub fn may(self, permission: Permission) -> bool {
        self >= permission.least_role()
    }
}

impl Permission {
    /// The lowest role that has it.
    pub fn least_role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Operate => Role::Operator,
            Self::Administer => Role::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_only_reads_and_an_admin_does_all() {
        assert!(Role::Viewer.may(Permission::Read) && !Role::Viewer.may(Permission::Operate));
        assert!(Role::Operator.may(Permission::Operate) && !Role::Operator.may(Permission::Administer));
        assert!(Role::Admin.may(Permission::Administer));
    }
}
