"""``python -m cli`` is ``sms``, for images in which the project is not installed."""

from cli.main import main

if __name__ == "__main__":
    main()
