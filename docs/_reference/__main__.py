"""Write the generated pages of the reference."""

from docs._reference.pages import write

if __name__ == "__main__":
    write()
