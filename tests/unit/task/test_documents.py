from services.task.documents import PATH, document


def test_the_page_of_phases_is_what_the_tables_say() -> None:
    assert PATH.read_text(encoding="utf-8") == document(), "run `make generate`"
