# SPDX-License-Identifier: LGPL-2.1-or-later
# LX_XENMANAGE: libxenmanage, which Xen has since 4.20. It tells domains of one number apart by a unique id. Its function takes one
# argument more since 4.21. Added to XEN_CFLAGS and XEN_LIBS; src/front/xen.c asks for HAVE_XENMANAGE and XENMANAGE_HAS_CAPABILITIES.
AC_DEFUN([LX_XENMANAGE], [
  PKG_CHECK_MODULES([XENMANAGE], [xenmanage], [lx_xenmanage=yes], [lx_xenmanage=no])
  AS_IF([test "$lx_xenmanage" = yes], [
    AC_DEFINE([HAVE_XENMANAGE], [1], [libxenmanage is there])
    lx_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $XENMANAGE_CFLAGS"
    AC_MSG_CHECKING([whether libxenmanage tells capabilities])
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <stddef.h>
#include <stdint.h>
#include <xenmanage.h>]], [[return xenmanage_get_domain_info(NULL, 0, NULL, NULL, NULL);]])],
      [AC_MSG_RESULT([yes])
       AC_DEFINE([XENMANAGE_HAS_CAPABILITIES], [1], [xenmanage_get_domain_info tells capabilities])],
      [AC_MSG_RESULT([no])])
    CFLAGS=$lx_saved_CFLAGS
    XEN_CFLAGS="$XEN_CFLAGS $XENMANAGE_CFLAGS"
    XEN_LIBS="$XEN_LIBS $XENMANAGE_LIBS"
  ])
])
