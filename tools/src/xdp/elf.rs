// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether a file can hold programs for this machine, before libbpf has a look: so that people
//! learn what they have given.

const MAGIC: &[u8] = b"\x7fELF";
const BITS_64: u8 = 2;
const LITTLE: u8 = 1;
const BIG: u8 = 2;
const MACHINE_BPF: u16 = 247;

/// The error says what the file is instead.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(MAGIC) {
        return Err(format!("it is not an ELF file: {}", looks_like(bytes)));
    }
    let (Some(&[bits, order]), Some(&[a, b])) = (bytes.get(4..6), bytes.get(18..20)) else {
        return Err("it is an ELF file that ends in its head".into());
    };
    let machine = match order {
        LITTLE => u16::from_le_bytes([a, b]),
        BIG => u16::from_be_bytes([a, b]),
        _ => return Err("it is an ELF file in an unknown order of bytes".into()),
    };
    if bits != BITS_64 || machine != MACHINE_BPF {
        return Err(format!(
            "it is an ELF file for a processor ({}), not for BPF: compile the program with clang \
             -target bpf",
            name_of(machine)
        ));
    }
    let (own, name, target) = if cfg!(target_endian = "little") {
        (LITTLE, "big", "bpfel")
    } else {
        (BIG, "little", "bpfeb")
    };
    if order != own {
        return Err(format!(
            "it is for machines of the other order of bytes ({name}-endian): compile it with clang \
             -target {target}"
        ));
    }
    Ok(())
}

fn name_of(machine: u16) -> String {
    match machine {
        3 => "x86".into(),
        40 => "Arm".into(),
        62 => "x86-64".into(),
        183 => "Arm64".into(),
        243 => "RISC-V".into(),
        other => format!("machine {other}"),
    }
}

fn looks_like(bytes: &[u8]) -> &'static str {
    let starts: [(&[u8], &str); 6] = [
        (
            b"BC\xc0\xde",
            "it looks like LLVM bitcode: compile it without -emit-llvm",
        ),
        (b"\x1f\x8b", "it looks like a gzip file: unpack it first"),
        (b"\xfd7zXZ", "it looks like an xz file: unpack it first"),
        (
            b"\x28\xb5\x2f\xfd",
            "it looks like a zstd file: unpack it first",
        ),
        (
            b"!<arch>",
            "it looks like a static library: give one object of it",
        ),
        (b"#!", "it looks like a script"),
    ];
    if bytes.is_empty() {
        return "it is empty";
    }
    if let Some((_, what)) = starts.iter().find(|(start, _)| bytes.starts_with(start)) {
        return what;
    }
    let head = &bytes[..bytes.len().min(512)];
    if head
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    {
        return "it looks like text; compile C with clang -target bpf -O2 -g -c";
    }
    "what it is cannot be told"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bits: u8, order: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([bits, order]);
        bytes.resize(18, 0);
        bytes.extend(machine);
        bytes
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn only_bpf_of_our_own_order_passes() {
        assert_eq!(check(&head(2, LITTLE, [247, 0])), Ok(()));
        for (bytes, word) in [
            (head(2, BIG, [0, 247]), "big-endian"),
            (head(2, LITTLE, [62, 0]), "x86-64"),
            (head(1, LITTLE, [3, 0]), "x86"),
            (head(2, 7, [247, 0]), "unknown order"),
            (MAGIC.to_vec(), "ends in its head"),
        ] {
            let why = check(&bytes).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn other_files_are_recognised() {
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"int main(void)\n{\n}\n", "text"),
            (b"BC\xc0\xde....", "bitcode"),
            (b"#!/bin/sh\n", "script"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\x00\x01\x02", "cannot be told"),
        ] {
            let why = check(bytes).unwrap_err();
            assert!(why.contains("not an ELF") && why.contains(word), "{why}");
        }
    }
}
