//! Programs that do nothing: what the hooks cost before anything is done there.

use anyhow::{Context, Result};
use aya::programs::SchedClassifier;
use aya::programs::links::LinkOrder;
use aya::programs::tc::{TcAttachOptions, TcAttachType};
use aya::{Ebpf, EbpfLoader};
use enforcer_lab::{Lab, LabError};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

const NAME: &str = "empty";

/// `return TC_ACT_UNSPEC`, which passes a packet on as enforcer's programs do.
const CODE: [[u8; 8]; 2] = [
    [0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    [0x95, 0, 0, 0, 0, 0, 0, 0],
];

/// They are attached as long as this lives.
pub(in super::super) struct Attached {
    _programs: Ebpf,
}

/// Attaches the program to both hooks of the node's side of these links.
pub(super) fn attach(lab: &Lab, links: &[&str]) -> Result<Attached> {
    let object = object().context("writing an empty BPF object")?;
    let mut ebpf = EbpfLoader::new()
        .load(&object)
        .context("loading an empty BPF object")?;
    let program: &mut SchedClassifier = ebpf
        .program_mut(NAME)
        .context("the empty BPF object has no program")?
        .try_into()?;
    program.load().context("loading an empty BPF program")?;
    let attached: Result<(), LabError> = lab.run(|| {
        for link in links {
            for hook in [TcAttachType::Ingress, TcAttachType::Egress] {
                let order = TcAttachOptions::TcxOrder(LinkOrder::default());
                let attached = program.attach_with_options(link, hook, order);
                attached.map_err(|error| LabError::Command {
                    command: format!("attach an empty TCX program to {link}"),
                    output: format!("{error:?}"),
                })?;
            }
        }
        Ok(())
    });
    attached?;
    Ok(Attached { _programs: ebpf })
}

/// The program as an object file, as aya takes it.
fn object() -> Result<Vec<u8>, object::write::Error> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let text = object.add_section(Vec::new(), b"classifier".to_vec(), SectionKind::Text);
    let code = CODE.concat();
    object.append_section_data(text, &code, 8);
    object.add_symbol(Symbol {
        name: NAME.into(),
        value: 0,
        size: code.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    object.write()
}
