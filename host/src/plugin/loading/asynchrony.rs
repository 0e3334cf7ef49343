//! Whether a component needs an engine with concurrency, found in its bytes: the
//! choice comes before compiling.

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentDefinedType, ComponentType,
    ComponentTypeDeclaration, InstanceTypeDeclaration, Parser, Payload,
};

use super::engine::Concurrency;

/// Which engine a component needs.
pub(super) fn concurrency_of(bytes: &[u8]) -> Concurrency {
    if is_asynchronous(bytes) { Concurrency::On } else { Concurrency::Off }
}

/// Whether it uses asynchronous functions, streams, futures, or WASI 0.3, which
/// is made of them. Bytes that make no sense don't; compiling them says why.
fn is_asynchronous(bytes: &[u8]) -> bool {
    Parser::new(0).parse_all(bytes).map_while(Result::ok).any(|payload| match payload {
        Payload::ComponentCanonicalSection(functions) => {
            functions.into_iter().flatten().any(|function| uses_tasks(&function))
        }
        Payload::ComponentTypeSection(types) => {
            types.into_iter().flatten().any(|one| is_asynchronous_type(&one))
        }
        Payload::ComponentImportSection(imports) => {
            imports.into_iter().flatten().any(|import| is_wasi_0_3(import.name.name))
        }
        _ => false,
    })
}

fn is_wasi_0_3(name: &str) -> bool {
    name.starts_with("wasi:") && name.contains("@0.3.")
}

fn uses_tasks(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options.iter().any(|option| matches!(option, CanonicalOption::Async))
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => false,
        // All others are about tasks, streams and futures.
        _ => true,
    }
}

fn is_asynchronous_type(ty: &ComponentType<'_>) -> bool {
    match ty {
        ComponentType::Func(function) => function.async_,
        ComponentType::Defined(defined) => {
            matches!(defined, ComponentDefinedType::Stream(_) | ComponentDefinedType::Future(_))
        }
        ComponentType::Instance(declarations) => declarations.iter().any(|one| match one {
            InstanceTypeDeclaration::Type(ty) => is_asynchronous_type(ty),
            _ => false,
        }),
        ComponentType::Component(declarations) => declarations.iter().any(|one| match one {
            ComponentTypeDeclaration::Type(ty) => is_asynchronous_type(ty),
            _ => false,
        }),
        ComponentType::Resource { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_make_no_sense_are_not_asynchronous() {
        for bytes in [b"".as_slice(), b"\0asm", b"\0asm\x0d\0\x01\0\xff\xff\xff"] {
            assert!(!is_asynchronous(bytes));
        }
    }

    #[test]
    fn wasi_0_3_is_known_by_its_version() {
        assert!(is_wasi_0_3("wasi:clocks/monotonic-clock@0.3.0"));
        assert!(!is_wasi_0_3("wasi:clocks/monotonic-clock@0.2.3"));
        assert!(!is_wasi_0_3("wasmcloud:messaging/types@0.3.0"));
    }
}
