//! Chains and rules of other programs that conflict with Weir's services.

use weir_program::netlink::{Attributes, Malformed, Message, Request};

use super::reader::{number, text};
use super::{BRIDGE, SUBSYSTEM, TABLE, chain, expression, header, message, rule};

/// `NFPROTO_UNSPEC`: all families.
const ALL_FAMILIES: u8 = 0;
/// `NF_INET_LOCAL_IN`, where IPVS receives packets after all filters; `NF_DROP`.
const INPUT: u32 = 1;
const DROP: u32 = 0;
/// `NFTA_TARGET_NAME`, for targets of iptables.
const TARGET_NAME: u16 = 1;

/// The request for all chains.
#[must_use]
pub fn list_chains() -> Request {
    list(message::GET_CHAIN)
}

/// The request for all rules.
#[must_use]
pub fn list_rules() -> Request {
    list(message::GET_RULE)
}

fn list(kind: u16) -> Request {
    Request::new(SUBSYSTEM << 8 | kind, 0).header(&header(ALL_FAMILIES, 0))
}

/// The table and name of a listed chain, if it has policy drop and runs before IPVS.
///
/// # Errors
/// [`Malformed`] when the message is not a chain.
pub fn drop_policy_chain(message: Message<'_>) -> Result<Option<String>, Malformed> {
    let (_, attributes) = message.split_body::<4>()?;
    let Some(hook) = attributes.find_kind(chain::HOOK)? else { return Ok(None) };
    let is_input = number(hook.nested(), chain::HOOK_NUMBER)? == Some(INPUT);
    let drops = number(attributes, chain::POLICY)? == Some(DROP);
    if is_input && drops { full_name(attributes, chain::TABLE, chain::NAME).map(Some) } else { Ok(None) }
}

/// The table and chain of a listed rule, if it sets marks and is not Weir's.
///
/// # Errors
/// [`Malformed`] when the message is not a rule.
pub fn mark_setting_chain(message: Message<'_>) -> Result<Option<String>, Malformed> {
    let (_, attributes) = message.split_body::<4>()?;
    let table = text(attributes, rule::TABLE)?;
    if table.is_some_and(|table| [TABLE, BRIDGE].contains(&table.as_str())) {
        return Ok(None);
    }
    let Some(expressions) = attributes.find_kind(rule::EXPRESSIONS)? else { return Ok(None) };
    for expression in expressions.nested() {
        if sets_mark(expression?.nested())? {
            return full_name(attributes, rule::TABLE, rule::CHAIN).map(Some);
        }
    }
    Ok(None)
}

/// Returns whether an expression sets a packet's mark: nft(8)'s `meta`, or a target of iptables, which may also copy
/// the mark of a connection.
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

/// Table and chain, for people.
fn full_name(attributes: Attributes<'_>, table: u16, chain: u16) -> Result<String, Malformed> {
    let name = |kind| text(attributes, kind).map(|name| name.unwrap_or_else(|| "?".to_owned()));
    Ok(format!("{} {}", name(table)?, name(chain)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;

    /// The mark-setting chain of a rule in this table with one expression, which has this data.
    fn chain_of(table: &str, name: &str, data: &[(u16, &[u8])]) -> Option<String> {
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
        mark_setting_chain(Messages(&bytes).next().unwrap().unwrap()).unwrap()
    }

    #[test]
    fn rules_that_set_marks_are_distinguished_from_those_that_match_them() {
        let register: &[u8] = &[0, 0, 0, 8];
        let sets: &[(u16, &[u8])] = &[(expression::META_KEY, &[0, 0, 0, 3]), (expression::META_SOURCE, register)];
        let expected = Some("mangle PREROUTING".to_owned());
        assert_eq!(chain_of("mangle", "meta", sets), expected);
        assert_eq!(chain_of("weir", "meta", sets), None, "Weir's own rule");
        assert_eq!(
            chain_of("mangle", "meta", &[(1, register), (expression::META_KEY, &[0, 0, 0, 3])]),
            None,
            "a match"
        );
        assert_eq!(
            chain_of("mangle", "meta", &[(expression::META_KEY, &[0, 0, 0, 5]), (expression::META_SOURCE, register)]),
            None,
            "not a mark"
        );
        assert_eq!(chain_of("mangle", "target", &[(TARGET_NAME, b"MARK\0")]), expected);
        assert_eq!(chain_of("mangle", "target", &[(TARGET_NAME, b"TCPMSS\0")]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_messages_do_not_panic(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let message = Message { kind: 0, flags: 0, sequence: 0, body: &body };
            let _ = (drop_policy_chain(message), mark_setting_chain(message));
        }
    }
}
