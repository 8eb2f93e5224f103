//! Who may do what with the API.
//!
//! Shape: (who asks, what the route allows, whose things it is about) -> yes, or why not.
//!
//! Not here: finding out who asks (see `shell/http/api/allowed.rs`), whether the thing exists.

use angelia_shared::event::directory::Role;
use angelia_shared::ids::WorkspaceId;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Whoever holds the installation's operator token.
    Operator,
    /// Whoever holds a token of a workspace.
    Member {
        /// The workspace.
        workspace: WorkspaceId,
        /// What the token may do there.
        role: Role,
    },
}

/// Whom a route lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allows {
    /// The operator alone.
    Operator,
    /// The operator and the workspace's owners.
    OperatorAndOwner,
    /// The workspace's owners alone.
    Owner,
    /// The operator, owners and auditors.
    Everyone,
}

/// Why somebody is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The thing is another workspace's, which is not even confirmed to exist.
    NotFound,
    /// The role does not have the right.
    Forbidden,
}

/// Decides whether `principal` may use a route about `workspace`; none for routes about the whole installation.
///
/// # Errors
/// [`Denied::NotFound`] before [`Denied::Forbidden`]: a stranger learns nothing, not even what an owner could do there.
pub fn decide(principal: Principal, allows: Allows, workspace: Option<WorkspaceId>) -> Result<(), Denied> {
    let may = match principal {
        Principal::Operator => match allows {
            Allows::Operator | Allows::OperatorAndOwner | Allows::Everyone => true,
            Allows::Owner => false,
        },
        Principal::Member { workspace: own, role } => {
            if workspace.is_some_and(|asked| asked != own) {
                return Err(Denied::NotFound);
            }
            match (role, allows) {
                (_, Allows::Everyone) | (Role::Owner, Allows::Owner | Allows::OperatorAndOwner) => true,
                (_, Allows::Operator) | (Role::Auditor, Allows::Owner | Allows::OperatorAndOwner) => false,
            }
        }
    };
    if may { Ok(()) } else { Err(Denied::Forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: WorkspaceId = WorkspaceId(1);
    const OTHER: WorkspaceId = WorkspaceId(2);

    fn member(role: Role) -> Principal {
        Principal::Member { workspace: OWN, role }
    }

    #[test]
    fn each_role_gets_through_exactly_where_the_table_says() {
        let table = [
            (Allows::Operator, [true, false, false]),
            (Allows::OperatorAndOwner, [true, true, false]),
            (Allows::Owner, [false, true, false]),
            (Allows::Everyone, [true, true, true]),
        ];
        for (allows, expected) in table {
            let asked = [Principal::Operator, member(Role::Owner), member(Role::Auditor)];
            let got = asked.map(|who| decide(who, allows, Some(OWN)).is_ok());
            assert_eq!(got, expected, "{allows:?}");
        }
    }

    #[test]
    fn another_workspaces_things_do_not_exist_for_its_strangers_whatever_the_right() {
        for role in [Role::Owner, Role::Auditor] {
            for allows in [Allows::Operator, Allows::OperatorAndOwner, Allows::Owner, Allows::Everyone] {
                assert_eq!(decide(member(role), allows, Some(OTHER)), Err(Denied::NotFound), "{allows:?}");
            }
        }
    }

    #[test]
    fn routes_about_the_installation_are_forbidden_to_members() {
        assert_eq!(decide(member(Role::Owner), Allows::Operator, None), Err(Denied::Forbidden));
        assert_eq!(decide(Principal::Operator, Allows::Operator, None), Ok(()));
    }
}
