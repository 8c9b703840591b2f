# SPDX-License-Identifier: LGPL-2.1-or-later
# LX_C17: the compiler's C17 with GNU extensions, which autoconf does not choose by itself.
AC_DEFUN([LX_C17], [
  AC_CACHE_CHECK([whether $CC takes -std=gnu17], [lx_cv_gnu17], [
    lx_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -std=gnu17"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [lx_cv_gnu17=yes], [lx_cv_gnu17=no])
    CFLAGS=$lx_save_CFLAGS
  ])
  AS_IF([test "$lx_cv_gnu17" = yes], [CC="$CC -std=gnu17"], [AC_MSG_ERROR([a C17 compiler is required])])
])
