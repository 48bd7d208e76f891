"""`python -m graphcnn` is the command `graphcnn`."""

from graphcnn.tools.cli import main

if __name__ == "__main__":
    main()
