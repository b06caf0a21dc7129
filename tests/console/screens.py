"""Output of programs that use the whole screen, written by hand as they send it."""

VI = (
    b"\x1b[?1049h\x1b[22;0;0t\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[1;24r\x1b[?12h\x1b[?12l"
    b"\x1b[22;2t\x1b[22;1t\x1b[27m\x1b[23m\x1b[29m\x1b[m\x1b[H\x1b[2J\x1b[?25l"
    b'\x1b[24;1H"/etc/fstab" 3L, 81B\x1b[1;1H# static file systems\r\n/dev/sda1\t/\text4'
    b"\r\n\x1b[94m~\x1b[4;1H~\x1b[5;1H~\x1b[m\x1b[24;63H2,1\x1b[11CAll\x1b[2;1H\x1b[?25h\x1b[?4m"
    b"\x1b[6n\x1b[>c\x1b]11;?\x07\x1bP+q436f\x1b\\"
)
"""vim in an xterm: alternate screen, and questions of all kinds."""

TOP = (
    b"\x1b[?1h\x1b=\x1b[H\x1b[2J\x1b[m\x1b[H\x1b[mtop - 11:02:03 up 17 min"
    b"\x1b[m\x0f\x1b[m\x1b[K\r\n"
    b"Tasks:\x1b[m\x0f\x1b[1m 103 \x1b[m\x0ftotal\x1b[m\x0f\x1b[K\r\n\x1b[K\r\n"
    b"\x1b[7m    PID USER      COMMAND                \x1b[m\x0f\x1b[m\x1b[K\r\n"
    b"\x1b[m      1 root      systemd\x1b[m\x0f\x1b[m\x1b[K\r\n\x1b[J\x1b[3;1H"
)
"""top on a vt220: no alternate screen."""

TOP_BEGUN = b"\x1b[?25l\x1b[H\x1b[J\x1b[m\x1b(Btop - 12:33:51\x1b[m\x1b(B\x1b[K\r\nTasks:\x1b[K\r\n"
"""top on a vt220 before it paints its screen a second time."""

DIALOG = (
    b"\x1b[?1049h\x1b[1;24r\x1b[m\x1b[4l\x1b[37m\x1b[44m\x1b[H\x1b[2J\x1b[9;20H\x1b[30m\x1b[47m"
    b"\x1b(0lqqqqqqqqqqqk\x1b(B\x1b[10;20H\x1b(0x\x1b(B Configure \x1b(0x\x1b(B\x1b[11;20H"
    b"\x1b(0mqqqqqqqqqqqj\x1b(B\x1b[12;24H\x1b[1;37m\x1b[41m<Ok>\x1b[m\x1b[?25l\x1b[12;25H"
)
"""whiptail: colours of what is erased, line drawing."""

GRUB = (
    b"\x1b[H\x1b[J\x1b[1;1H\x1b[0;37;40m\x1b[2J\x1b[2;26HGNU GRUB  version 2.06\x1b[4;2H"
    + "┌───┐".encode()
    + b"\x1b[5;2H\xe2\x94\x82\x1b[0;30;47m*Debian\x1b[0;37;40m\x1b[5;40H\x1b[20;5H"
    b"Use the ^ and v keys to select which entry is highlighted.\x1b[5;3H"
)

SHELL = b"".join(b"\x1b[01;32mroot@web1\x1b[m:~# ls %d\r\nfile\r\n" % n for n in range(20))

CLEARED = b"\x1b[H\x1b[2J\x1b[3Jroot@web1:~# "

PROBED = b"\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8" + SHELL
"""What login scripts on serial lines send to learn the size of the terminal."""

VI_LEFT = VI.replace(b"\x1b[?1049h", b"") + b"\x1b[24;1H\x1b[K\x1b[?1l\x1b>\r\nroot@web1:~# "
