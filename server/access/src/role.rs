/// What a user or a token may do; each role includes those below it.
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
    /// Users, and what opens the host to a container: privileged, host paths and namespaces.
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
        let least = match permission {
            Permission::Read => Self::Viewer,
            Permission::Operate => Self::Operator,
            Permission::Administer => Self::Admin,
        };
        self >= least
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
