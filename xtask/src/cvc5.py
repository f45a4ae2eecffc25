"""Speaks SMT-LIB 2 on standard input and output with the library of cvc5."""

import sys

import cvc5


def commands(stream):
    """Each command of the input, as soon as its last bracket is there."""
    text, depth, quote = [], 0, None
    for line in stream:
        for c in line:
            if quote is None and c == ";":
                break
            text.append(c)
            if quote is not None:
                quote = None if c == quote else quote
            elif c in '"|':
                quote = c
            elif c == "(":
                depth += 1
            elif c == ")":
                depth -= 1
                if depth == 0:
                    yield "".join(text).strip()
                    text = []


def fresh():
    solver = cvc5.Solver()
    return solver, cvc5.InputParser(solver)


def main():
    solver, parser = fresh()
    for command in commands(sys.stdin):
        if command == "(exit)":
            return
        if command == "(reset)":
            # The library's own command keeps the logic that was set.
            solver, parser = fresh()
            continue
        try:
            parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, command + "\n", "input")
            while not (parsed := parser.nextCommand()).isNull():
                sys.stdout.write(parsed.invoke(solver, parser.getSymbolManager()))
        except Exception as error:  # whatever it is, the other side must hear of it
            text = str(error).replace('"', "'").replace("\n", " ")
            sys.stdout.write(f'(error "{text}")\n')
        sys.stdout.flush()


main()
