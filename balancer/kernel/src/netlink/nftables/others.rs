//! What others have in nf_tables that gets in the way of Weir's services.

use weir_program::netlink::{Attributes, Malformed, Message, Request};

use super::reading::{number, text};
use super::{BRIDGE, SUBSYSTEM, TABLE, chain, expression, header, message, rule};

/// `NFPROTO_UNSPEC`: of all families.
const ALL_FAMILIES: u8 = 0;
/// `NF_INET_LOCAL_IN`, where IPVS takes packets after all filters; `NF_DROP`.
const INPUT: u32 = 1;
const DROP: u32 = 0;
/// `NFTA_TARGET_NAME`, of a target of iptables.
const TARGET_NAME: u16 = 1;

/// Asks for all chains.
#[must_use]
pub fn list_chains() -> Request {
    list(message::GET_CHAIN)
}

/// Asks for all rules.
#[must_use]
pub fn list_rules() -> Request {
    list(message::GET_RULE)
}

fn list(kind: u16) -> Request {
    Request::new(SUBSYSTEM << 8 | kind, 0).header(&header(ALL_FAMILIES, 0))
}

/// The table and name of a chain that drops what no rule lets through to IPVS.
///
/// # Errors
/// [`Malformed`] when it is no chain.
pub fn dropping(message: Message<'_>) -> Result<Option<String>, Malformed> {
    let (_, attributes) = message.split_body::<4>()?;
    let Some(hook) = attributes.find_kind(chain::HOOK)? else { return Ok(None) };
    let is_input = number(hook.nested(), chain::HOOK_NUMBER)? == Some(INPUT);
    let drops = number(attributes, chain::POLICY)? == Some(DROP);
    if is_input && drops { place(attributes, chain::TABLE, chain::NAME).map(Some) } else { Ok(None) }
}

/// The table and chain of a rule that gives packets a mark, but for Weir's own.
///
/// # Errors
/// [`Malformed`] when it is no rule.
pub fn marking(message: Message<'_>) -> Result<Option<String>, Malformed> {
    let (_, attributes) = message.split_body::<4>()?;
    let table = text(attributes, rule::TABLE)?;
    if table.is_some_and(|table| [TABLE, BRIDGE].contains(&table.as_str())) {
        return Ok(None);
    }
    let Some(expressions) = attributes.find_kind(rule::EXPRESSIONS)? else { return Ok(None) };
    for expression in expressions.nested() {
        if sets_mark(expression?.nested())? {
            return place(attributes, rule::TABLE, rule::CHAIN).map(Some);
        }
    }
    Ok(None)
}

/// Whether an expression writes a packet's mark: nft's own, or iptables' targets, which carry a mark from a connection, too.
fn sets_mark(expression: Attributes<'_>) -> Result<bool, Malformed> {
    let Some(data) = expression.find_kind(expression::DATA)?.map(|data| data.nested()) else { return Ok(false) };
    Ok(match text(expression, expression::NAME)?.as_deref() {
        Some("meta") => {
            number(data, expression::META_KEY)? == Some(expression::MARK)
                && data.find_kind(expression::META_SOURCE)?.is_some()
        }
        Some("target") => matches!(text(data, TARGET_NAME)?.as_deref(), Some("MARK" | "CONNMARK")),
        _ => false,
    })
}

fn place(attributes: Attributes<'_>, table: u16, chain: u16) -> Result<String, Malformed> {
    let name = |kind| text(attributes, kind).map(|name| name.unwrap_or_else(|| "?".to_owned()));
    Ok(format!("{} {}", name(table)?, name(chain)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;

    /// What is said of a rule of this table with one expression, which has this data.
    fn said_of(table: &str, name: &str, data: &[(u16, &[u8])]) -> Option<String> {
        let mut rule = Request::new(0, 0).header(&[0; 4]);
        rule.put_text(rule::TABLE, table).put_text(rule::CHAIN, "PREROUTING");
        rule.nest(rule::EXPRESSIONS, |list| {
            list.nest(expression::LIST_ELEMENT, |expression| {
                expression
                    .put_text(expression::NAME, name)
                    .nest(expression::DATA, |list| data.iter().fold(list, |list, (kind, value)| list.put(*kind, value)))
            })
        });
        let bytes = rule.encode(1).unwrap();
        marking(Messages(&bytes).next().unwrap().unwrap()).unwrap()
    }

    #[test]
    fn rules_that_set_marks_are_told_from_those_that_look_at_them() {
        let register: &[u8] = &[0, 0, 0, 8];
        let sets: &[(u16, &[u8])] = &[(expression::META_KEY, &[0, 0, 0, 3]), (expression::META_SOURCE, register)];
        let expected = Some("mangle PREROUTING".to_owned());
        assert_eq!(said_of("mangle", "meta", sets), expected);
        assert_eq!(said_of("weir", "meta", sets), None, "it is Weir's");
        assert_eq!(
            said_of("mangle", "meta", &[(1, register), (expression::META_KEY, &[0, 0, 0, 3])]),
            None,
            "it looks"
        );
        assert_eq!(
            said_of("mangle", "meta", &[(expression::META_KEY, &[0, 0, 0, 5]), (expression::META_SOURCE, register)]),
            None,
            "no mark"
        );
        assert_eq!(said_of("mangle", "target", &[(TARGET_NAME, b"MARK\0")]), expected);
        assert_eq!(said_of("mangle", "target", &[(TARGET_NAME, b"TCPMSS\0")]), None);
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd_to_be_read(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let message = Message { kind: 0, flags: 0, sequence: 0, body: &body };
            let _ = (dropping(message), marking(message));
        }
    }
}
