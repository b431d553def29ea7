#!/usr/bin/env python3
# options.py TOOL: whether the manual of a tool and its completions of each shell have the options
# that its help has, and no others, for each of its subcommands. Those of a letter only, too.
import re
import subprocess
import sys

tool = sys.argv[1]


def said(*words):
    return subprocess.run([tool, *words], check=True, capture_output=True, text=True).stdout


def of_help(text):
    """Each has a line: its letter behind two spaces, or its long name behind six."""
    lines = re.findall(r"^  (-\w)?(?:, |    )?(--[\w-]+)?(?=$|[\s.\[])", text, re.MULTILINE)
    return {tuple(filter(None, pair)) for pair in lines} - {()}


def of_manual(text, part):
    section = text
    if part:
        section = text.split(f".SH {tool} {part}\n".upper())[1].split("\n.SH ")[0]
    heads = section.replace("\\-", "-").split("\n.TP\n")[1:]
    names = [tuple(re.findall(r"\\fB(-[^\\]*)\\fR", head.split("\n")[0])) for head in heads]
    return set(names) - {()}


def of_bash(text, part):
    name = tool.replace("-", "__") + (f"__subcmd__{part}" if part else "")
    words = re.search(rf'^ +{name}\)\n +opts="([^"]*)"', text, re.MULTILINE)[1].split()
    return {word for word in words if word.startswith("-")}


def of_zsh(text, part):
    # What is before the first subcommand is the tool's own; that of help has them once more.
    sections = re.split(r"^ *\((\w+)\)$", text, flags=re.MULTILINE)
    mine = sections[sections.index(part) + 1] if part else sections[0]
    return set(re.findall(r"^'(?:\([^)]*\))?\*?(-[\w-]+)", mine.split("\n;;")[0], re.MULTILINE))


def of_fish(text, part, subcommands):
    where = f'__fish_{tool.replace("-", "_")}_'
    where += f"using_subcommand {part}" if part else "needs_command"
    names = set()
    for line in re.findall(r"^complete -c .*", text, re.MULTILINE):
        if not subcommands or f'-n "{where}"' in line:
            head = line.split(" -d '")[0]
            names.update("-" + letter for letter in re.findall(r" -s (\S+)", head))
            names.update("--" + name for name in re.findall(r" -l (\S+)", head))
    return names


whole = said("--help")
commands = re.search(r"^Commands:\n((?:  .*\n)+)", whole, re.MULTILINE)
commands = re.findall(r"^  (\w\S*)", commands[1], re.MULTILINE) if commands else []
manual, bash, fish, zsh = (said("--generate", what) for what in ("man", "bash", "fish", "zsh"))
faults = 0


def compare(part, where, has, wanted):
    global faults
    for verb, names in ("misses", wanted - has), ("is alone to have", has - wanted):
        for name in sorted(names):
            print(f"{tool} {part or ''}: {where} {verb} {name}")
            faults += 1


for part in [None, *(c for c in commands if c != "help")]:
    options = of_help(said(part, "--help") if part else whole)
    # The manual tells of subcommands, and not how to ask for help about all of them.
    if part or not commands:
        compare(part, "the manual", of_manual(manual, part), options)
    names = {name for option in options for name in option}
    compare(part, "bash", of_bash(bash, part), names)
    compare(part, "fish", of_fish(fish, part, commands), names)
    compare(part, "zsh", of_zsh(zsh, part), names)
    print(f"{tool} {part or ''}: {len(options)} options")
    faults += not options
sys.exit(faults != 0)
