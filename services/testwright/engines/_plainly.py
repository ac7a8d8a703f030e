"""Writes the module on standard input in syntax that Python 3.11 reads; runs in the project's interpreter, sandboxed.

What comes out is for looking at what a module defines, compares and documents, not for running: a type parameter is
left out, an alias is an assignment, and a string with values in it is a call with these.
"""

import ast
import sys


class _Plain(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if hasattr(node, "type_params"):
            node.type_params = []  # pyright: ignore[reportAttributeAccessIssue]  since 3.12
        match type(node).__name__:
            case "TypeAlias":
                return ast.Assign([node.name], node.value)  # type: ignore[attr-defined]  # pyright: ignore  since 3.12
            case "JoinedStr" | "TemplateStr":
                return ast.Call(ast.Name("str", ast.Load()), [ast.List(list(_parts(node)), ast.Load())], [])
            case _:
                return node


def _parts(node: ast.AST) -> list[ast.expr]:
    """Return the texts and values in a string whose own parts are plain."""
    parts = [getattr(each, "value", each) if _is_value(each) else each for each in getattr(node, "values", ())]
    return [*parts, *(each.format_spec for each in getattr(node, "values", ()) if getattr(each, "format_spec", None))]


def _is_value(node: ast.AST) -> bool:
    return type(node).__name__ in {"FormattedValue", "Interpolation"}


if __name__ == "__main__":
    plain = _Plain().visit(ast.parse(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(ast.unparse(ast.fix_missing_locations(plain)).encode())
