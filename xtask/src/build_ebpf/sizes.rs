//! How large the programs of a BPF object are.

use std::fmt::Write;

use anyhow::{Context, Result};
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// Bytes of one BPF instruction.
pub(super) const INSTRUCTION: u64 = 8;

/// One function of the object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The function's name.
    pub(super) name: String,
    /// The section, which tells the program type; `.text` has functions that programs call.
    pub(super) section: String,
    /// Instructions in the object.
    pub(super) instructions: u64,
    /// Instructions that the verifier walked, over all paths, when it is known.
    pub(super) verified: Option<u64>,
}

/// The functions of an ELF object, by section and name.
pub(super) fn programs(elf: &[u8]) -> Result<Vec<Program>> {
    let file: ElfFile64 = ElfFile64::parse(elf).context("this is no ELF object")?;
    let mut programs = Vec::new();
    for symbol in file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text)
    {
        let Some(index) = symbol.section_index() else {
            continue;
        };
        let section = file.section_by_index(index)?;
        if section.kind() == SectionKind::Text && symbol.size() > 0 {
            programs.push(Program {
                name: symbol.name()?.to_owned(),
                section: section.name()?.to_owned(),
                instructions: symbol.size() / INSTRUCTION,
                verified: None,
            });
        }
    }
    programs.sort_by(|a, b| (&a.section, &a.name).cmp(&(&b.section, &b.name)));
    Ok(programs)
}

/// One line for every program.
pub(super) fn table(programs: &[Program]) -> String {
    let mut text = format!(
        "  {:<28} {:<12} {:>12} {:>12}",
        "program", "section", "instructions", "verified"
    );
    for program in programs {
        let verified = program
            .verified
            .map_or_else(|| "-".to_owned(), |n| n.to_string());
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "\n  {:<28} {:<12} {:>12} {verified:>12}",
            program.name, program.section, program.instructions
        );
    }
    if programs.is_empty() {
        text.push_str("\n  (the object has no programs)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, verified: Option<u64>) -> Program {
        Program {
            name: name.into(),
            section: "classifier".into(),
            instructions: 812,
            verified,
        }
    }

    #[test]
    fn a_size_is_shown_with_what_the_verifier_walked() {
        let table = table(&[program("from_pod", Some(4711)), program("to_pod", None)]);
        let rows: Vec<Vec<_>> = table
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0], ["from_pod", "classifier", "812", "4711"]);
        assert_eq!(rows[1], ["to_pod", "classifier", "812", "-"]);
    }

    /// A relocatable BPF object with the functions `from_pod` (2 instructions) and `to_pod` (3) in
    /// the section `classifier`, written out field by field.
    fn object_file() -> Vec<u8> {
        const NAMES: &[u8] = b"\0classifier\0.symtab\0.strtab\0from_pod\0to_pod\0";
        const CODE: u64 = 64;
        const SYMBOLS: u64 = CODE + 5 * INSTRUCTION;
        const STRINGS: u64 = SYMBOLS + 3 * 24;
        let sections = STRINGS + NAMES.len() as u64;
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        // Relocatable, BPF, version 1; no entry and no program headers.
        file.extend([1, 0, 247, 0, 1, 0, 0, 0]);
        for number in [0, 0, sections] {
            file.extend(number.to_le_bytes());
        }
        // Flags; sizes and numbers of headers; the last section has the names.
        file.extend(
            [0_u16, 0, 64, 0, 0, 64, 4, 3]
                .map(u16::to_le_bytes)
                .concat(),
        );
        file.resize(usize::try_from(SYMBOLS).unwrap() + 24, 0);
        for (name, offset, length) in [(28_u32, 0, 2), (37, 2, 3)] {
            file.extend(name.to_le_bytes());
            // A global function in section 1.
            file.extend([0x12, 0, 1, 0]);
            file.extend(
                [offset * INSTRUCTION, length * INSTRUCTION]
                    .map(u64::to_le_bytes)
                    .concat(),
            );
        }
        file.extend(NAMES);
        file.extend([0; 64]);
        for (name, kind, flags, offset, size, link, info, entry) in [
            (1_u32, 1_u32, 6, CODE, SYMBOLS - CODE, 0_u32, 0_u32, 0),
            (12, 2, 0, SYMBOLS, STRINGS - SYMBOLS, 3, 1, 24),
            (20, 3, 0, STRINGS, NAMES.len() as u64, 0, 0, 0),
        ] {
            file.extend([name, kind].map(u32::to_le_bytes).concat());
            file.extend([flags, 0, offset, size].map(u64::to_le_bytes).concat());
            file.extend([link, info].map(u32::to_le_bytes).concat());
            file.extend([1_u64, entry].map(u64::to_le_bytes).concat());
        }
        file
    }

    #[test]
    fn every_function_of_an_object_has_its_size_in_instructions() {
        let found: Vec<_> = programs(&object_file())
            .unwrap()
            .into_iter()
            .map(|program| (program.name, program.section, program.instructions))
            .collect();
        let classifier = || "classifier".to_owned();
        assert_eq!(
            found,
            [
                ("from_pod".into(), classifier(), 2),
                ("to_pod".into(), classifier(), 3)
            ]
        );
    }

    #[test]
    fn an_object_without_programs_says_so() {
        assert!(table(&[]).contains("no programs"));
    }

    #[test]
    fn what_is_no_elf_file_is_refused() {
        assert!(programs(b"").is_err());
        assert!(programs(b"#!/bin/sh\n").is_err());
    }
}
