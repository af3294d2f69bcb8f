"""What is looked at before a launch, without booting. E checks stop it; W checks are shown."""
